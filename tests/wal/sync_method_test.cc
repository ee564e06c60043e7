#include "wal/sync_method.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <utility>
#include <vector>

#include "io_backend/storage_io_factory.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

TEST(SyncMethodTest, NamesAndParsesEachMethod) {
  for (SyncMethod method :
       {SyncMethod::kAuto, SyncMethod::kDsync, SyncMethod::kDatasync, SyncMethod::kRingDatasync}) {
    EXPECT_EQ(ParseSyncMethod(SyncMethodName(method)), method);
  }
  EXPECT_EQ(ParseSyncMethod("fsync"), std::nullopt);
}

TEST(SyncMethodTest, ProbeTimesBothMethodsAndLeavesNothingBehind) {
  TempDirectory directory;
  auto io = CreateStorageIo({.buffers = 4, .buffer_bytes = 64 << 10});
  ASSERT_TRUE(io.ok()) << io.status();
  const auto probe =
      ProbeSyncMethod(FileSystem::Host(), **io, directory.path(), DirectMode::kAuto, 20);
  ASSERT_TRUE(probe.ok()) << probe.status();
  EXPECT_GT(probe->dsync_us, 0);
  EXPECT_GT(probe->datasync_us, 0);
  EXPECT_EQ(probe->best == SyncMethod::kDsync, probe->datasync_us >= 0.9 * probe->dsync_us);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ((*io)->in_flight(), 0u);
}

// Of every hundred, `delayed` are made longer by up to 20 ms, as by other work on the machine.
std::vector<MonotonicNs> Times(MonotonicNs ns, int delayed, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<MonotonicNs> times;
  for (int i = 0; i < 100; ++i) {
    times.push_back(ns + random() % (ns / 20) + (i < delayed ? random() % 20'000'000 : 0));
  }
  return times;
}

TEST(SyncMethodTest, LoadOnOneSideOnlyDoesNotFlipTheChoice) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    // Most of the faster method's times are spoilt, none of the slower one's: its median is worse.
    EXPECT_EQ(JudgeSyncTimes(Times(100'000, 60, seed), Times(150'000, 0, seed + 1)).best,
              SyncMethod::kDsync);
    EXPECT_EQ(JudgeSyncTimes(Times(4'000'000, 0, seed), Times(1'700'000, 60, seed + 1)).best,
              SyncMethod::kDatasync);
  }
}

TEST(SyncMethodTest, WithinTenPercentItIsAlwaysTheOneOfFewerCalls) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    for (const MonotonicNs dsync : {95'000, 100'000, 102'000}) {
      EXPECT_EQ(JudgeSyncTimes(Times(dsync, 20, seed), Times(100'000, 20, seed + 1)).best,
                SyncMethod::kDsync);
    }
    EXPECT_EQ(JudgeSyncTimes(Times(100'000, 20, seed), Times(80'000, 20, seed + 1)).best,
              SyncMethod::kDatasync);
  }
  EXPECT_EQ(JudgeSyncTimes({}, {}).best, SyncMethod::kDatasync);
}

TEST(SyncMethodTest, ProbeOfAMissingDirectorySaysSo) {
  auto io = CreateStorageIo({.buffers = 4, .buffer_bytes = 64 << 10});
  ASSERT_TRUE(io.ok()) << io.status();
  const auto probe =
      ProbeSyncMethod(FileSystem::Host(), **io, "/nonexistent/log", DirectMode::kAuto, 20);
  EXPECT_TRUE(absl::IsNotFound(probe.status())) << probe.status();
}

}  // namespace
}  // namespace corewal
