#include "wal/sync_method.h"

#include <gtest/gtest.h>

#include <filesystem>

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
  EXPECT_EQ(probe->best == SyncMethod::kDsync, probe->dsync_us <= probe->datasync_us);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ((*io)->in_flight(), 0u);
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
