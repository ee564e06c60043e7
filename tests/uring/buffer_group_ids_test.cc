#include "uring/buffer_group_ids.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_memory.h"
#include "uring/ring.h"

namespace corewal {
namespace {

using Pressure = BufferGroupIds::Pressure;

TEST(BufferGroupIdsTest, AllIdsAreGivenOutOnceAndThenItIsAnErrorThatNamesTheLimit) {
  BufferGroupIds ids;
  std::vector<BufferGroupLease> leases;
  std::set<uint16_t> seen;
  for (uint32_t i = 0; i < 65536; ++i) {
    auto lease = ids.Lease();
    ASSERT_TRUE(lease.ok()) << lease.status();
    seen.insert(lease->id());
    leases.push_back(*std::move(lease));
  }
  EXPECT_EQ(seen.size(), 65536u);
  EXPECT_EQ(ids.pressure(), Pressure::kExhausted);
  const auto refused = ids.Lease();
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_NE(std::string(refused.status().message()).find("all 65536"), std::string::npos);
  EXPECT_EQ(ids.stats().refused, 1u);
  const uint16_t returned = leases[1000].id();
  leases[1000].Return();
  const auto again = ids.Lease();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id(), returned);
}

TEST(BufferGroupIdsTest, PressureRisesAndFallsAtItsThresholds) {
  BufferGroupIds ids(16);
  std::vector<BufferGroupLease> leases;
  const auto pressure_of = [&](size_t taken) {
    while (leases.size() < taken) leases.push_back(*ids.Lease());
    while (leases.size() > taken) leases.pop_back();
    return ids.pressure();
  };
  EXPECT_EQ(pressure_of(0), Pressure::kNone);
  EXPECT_EQ(pressure_of(11), Pressure::kNone);
  EXPECT_EQ(pressure_of(12), Pressure::kHigh);
  EXPECT_EQ(pressure_of(14), Pressure::kHigh);
  EXPECT_EQ(pressure_of(15), Pressure::kCritical);
  EXPECT_EQ(pressure_of(16), Pressure::kExhausted);
  EXPECT_EQ(pressure_of(12), Pressure::kHigh);
  EXPECT_EQ(pressure_of(3), Pressure::kNone);
  EXPECT_EQ(ids.stats().taken_max, 16u);
}

TEST(BufferGroupIdsTest, IdUsedAgainHasAnotherGeneration) {
  BufferGroupIds ids(1);
  uint16_t id = 0;
  uint32_t generation = 0;
  {
    const auto lease = ids.Lease();
    id = lease->id();
    generation = lease->generation();
    EXPECT_TRUE(ids.IsCurrent(id, generation));
  }
  EXPECT_FALSE(ids.IsCurrent(id, generation));
  const auto again = ids.Lease();
  EXPECT_EQ(again->id(), id);
  EXPECT_NE(again->generation(), generation);
  EXPECT_FALSE(ids.IsCurrent(id, generation));
}

TEST(BufferGroupIdsTest, MovedLeaseReturnsItsIdOnce) {
  BufferGroupIds ids(2);
  BufferGroupLease first = *ids.Lease();
  BufferGroupLease second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(ids.taken(), 1u);
  second = *ids.Lease();
  EXPECT_EQ(ids.taken(), 1u);
  second.Return();
  second.Return();
  EXPECT_EQ(ids.taken(), 0u);
}

TEST(BufferGroupIdsTest, RetiredIdIsNeverGivenOutAgain) {
  BufferGroupIds ids(2);
  BufferGroupLease lost = *ids.Lease();
  const uint16_t id = lost.id();
  lost.Retire();
  for (int i = 0; i < 10; ++i) EXPECT_NE(ids.Lease()->id(), id);
  EXPECT_EQ(ids.taken(), 1u);
  EXPECT_EQ(ids.stats().retired, 1u);
}

TEST(BufferGroupIdsDeathTest, LeaseMustNotOutliveItsIds) {
  EXPECT_DEATH(
      {
        BufferGroupLease lease;
        BufferGroupIds ids(4);
        lease = *ids.Lease();
      },
      "leases outlive");
}

// With a counter for an allocator the kernel says EEXIST at the 65537th.
TEST(BufferGroupIdsTest, TwoHundredThousandRegistrationsMeetNoEexist) {
  std::vector<std::string> reasons;
  auto ring = Ring::Create({.entries = 4}, &reasons);
  if (!ring.ok()) GTEST_SKIP() << ring.status();
  auto memory = AlignedMemory::Allocate(4096);
  ASSERT_TRUE(memory.ok());
  const auto put = [&](uint16_t id) {
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory->data());
    registration.ring_entries = 1;
    registration.bgid = id;
    return io_uring_register_buf_ring((*ring)->raw(), &registration, 0);
  };
  BufferGroupIds ids;
  std::deque<BufferGroupLease> held;  // the oldest of 40 goes first, so that ids are mixed
  for (int i = 0; i < 200'000; ++i) {
    auto lease = ids.Lease();
    ASSERT_TRUE(lease.ok()) << lease.status();
    const int result = put(lease->id());
    if (i == 0 && result == -EINVAL) GTEST_SKIP() << "buffer rings need Linux 5.19";
    ASSERT_EQ(result, 0) << "lease " << i << ", id " << lease->id();
    held.push_back(*std::move(lease));
    if (held.size() < 40) continue;
    ASSERT_EQ(io_uring_unregister_buf_ring((*ring)->raw(), held.front().id()), 0);
    held.pop_front();
  }
  EXPECT_EQ(put(held.front().id()), -EEXIST) << "or the kernel would not have told";
  EXPECT_EQ(ids.stats().leases, 200'000u);
  EXPECT_EQ(ids.stats().taken_max, 40u);
}

}  // namespace
}  // namespace corewal
