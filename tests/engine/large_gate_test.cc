#include "engine/large_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace corewal {
namespace {

constexpr uint64_t kLimit = 1u << 20;
constexpr uint64_t kLarge = 400u << 10;
constexpr MonotonicNs kNow = 1'000'000'000'000;
constexpr MonotonicNs kLater = kNow + LargeGate::kSmallAboutNs;

TEST(LargeGateTest, MindsOnlyWhatIsLargeAndOnlyIfThereIsALimit) {
  EXPECT_FALSE(LargeGate(kLimit).Minds(LargeGate::kSmallBytesMax));
  EXPECT_TRUE(LargeGate(kLimit).Minds(LargeGate::kSmallBytesMax + 1));
  EXPECT_FALSE(LargeGate(0).Minds(1u << 30));
}

TEST(LargeGateTest, LimitsNothingWhileThereAreNoSmallOnes) {
  LargeGate gate(kLimit);
  for (uint64_t i = 1; i <= 100; ++i) {
    EXPECT_TRUE(gate.Admit(kLarge, kNow));
    EXPECT_EQ(gate.on_way(), i * kLarge);
  }
  gate.SawSmall(kNow - LargeGate::kSmallAboutNs);
  EXPECT_TRUE(gate.Admit(kLarge, kNow)) << "the last small one came a second ago";
}

TEST(LargeGateTest, AdmitsUpToTheLimitWhileSmallOnesCome) {
  LargeGate gate(kLimit);
  gate.SawSmall(kNow);
  EXPECT_TRUE(gate.Admit(kLarge, kNow));
  EXPECT_TRUE(gate.HasRoom(kLarge, kNow));
  EXPECT_TRUE(gate.Admit(kLarge, kNow));
  EXPECT_FALSE(gate.HasRoom(kLarge, kNow));
  EXPECT_FALSE(gate.Admit(kLarge, kNow));
  EXPECT_EQ(gate.on_way(), 2 * kLarge);
  EXPECT_TRUE(gate.Admit(kLarge, kLater));
}

TEST(LargeGateTest, OneRecordBeyondTheLimitGoesAlone) {
  LargeGate gate(kLimit);
  gate.SawSmall(kNow);
  EXPECT_TRUE(gate.Admit(100 * kLimit, kNow));
  EXPECT_FALSE(gate.Admit(kLarge, kNow));
  gate.GiveBack(100 * kLimit);
  EXPECT_TRUE(gate.Admit(kLarge, kNow));
  EXPECT_FALSE(gate.Admit(100 * kLimit, kNow));
}

TEST(LargeGateTest, ReleasesWhatIsDurable) {
  LargeGate gate(kLimit);
  for (const uint64_t end : {100, 200, 300}) {
    ASSERT_TRUE(gate.Admit(kLarge, kNow));
    gate.TakenIn(kLarge, Lsn(end), Durability::kDurable);
  }
  EXPECT_FALSE(gate.Release(Lsn(99), Lsn(300), Lsn(300)));
  EXPECT_EQ(gate.on_way(), 3 * kLarge);
  EXPECT_TRUE(gate.Release(Lsn(200), Lsn(300), Lsn(300)));
  EXPECT_EQ(gate.on_way(), kLarge);
  EXPECT_TRUE(gate.Release(Lsn(301), Lsn(301), Lsn(301)));
  EXPECT_EQ(gate.on_way(), 0u);
  EXPECT_FALSE(gate.Release(Lsn(301), Lsn(301), Lsn(301)));
}

TEST(LargeGateTest, WhatNeedNotBeDurableGoesWhenTheDeviceHasWhatItWasGiven) {
  LargeGate gate(kLimit);
  for (const Durability wanted : {Durability::kWritten, Durability::kAppended}) {
    ASSERT_TRUE(gate.Admit(kLarge, kNow));
    gate.TakenIn(kLarge, Lsn(500), wanted);
    EXPECT_FALSE(gate.Release(Lsn(0), Lsn(400), Lsn(300))) << "in flight";
    EXPECT_TRUE(gate.Release(Lsn(0), Lsn(400), Lsn(400))) << "the rest waits for company";
    ASSERT_TRUE(gate.Admit(kLarge, kNow));
    gate.TakenIn(kLarge, Lsn(500), wanted);
    EXPECT_TRUE(gate.Release(Lsn(0), Lsn(600), Lsn(500)));
  }
  EXPECT_EQ(gate.on_way(), 0u);
}

// Producers that wait for each other's room: a lost wake-up hangs, a lost count fails.
TEST(LargeGateTest, WhoWasRefusedIsToldOfRoom) {
  LargeGate gate(kLimit);
  gate.SawSmall(kNow);
  std::atomic<uint64_t> on_way{0};
  std::atomic<bool> beyond{false};
  std::vector<std::thread> producers;
  for (int i = 0; i < 4; ++i) {
    producers.emplace_back([&] {
      for (int record = 0; record < 2000; ++record) {
        for (;;) {
          const uint32_t seen = gate.signal().Seen();
          if (gate.Admit(kLarge, kNow)) break;
          ASSERT_TRUE(gate.signal().Wait(seen, kNever, [] { return false; }));
        }
        if (on_way.fetch_add(kLarge) + kLarge > kLimit) beyond = true;
        on_way.fetch_sub(kLarge);
        gate.GiveBack(kLarge);
      }
    });
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_FALSE(beyond);
  EXPECT_EQ(gate.on_way(), 0u);
}

}  // namespace
}  // namespace corewal
