#include "tools/device_floor.h"

#include <cstdio>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSmallFile = 2 * DeviceFloor::kSyncEveryBytes;

std::unique_ptr<DeviceFloor> Make(DirectMode direct, uint64_t commit_bytes = 4096) {
  auto floor = DeviceFloor::Create({.directory = testing::TempDir(),
                                    .direct = direct,
                                    .file_bytes = kSmallFile,
                                    .commit_bytes = commit_bytes});
  EXPECT_TRUE(floor.ok()) << floor.status();
  return *std::move(floor);
}

TEST(DeviceFloorTest, NothingIsLeftInTheDirectory) {
  const auto before = FileSystem::Host().List(testing::TempDir());
  const auto floor = Make(DirectMode::kAuto);
  const auto during = FileSystem::Host().List(testing::TempDir());
  ASSERT_TRUE(before.ok() && during.ok());
  EXPECT_EQ(before->size(), during->size());
}

TEST(DeviceFloorTest, CommitsAreMeasuredBothWaysAndTheBetterIsNamed) {
  const auto floor = Make(DirectMode::kAuto);
  for (int round = 0; round < 3; ++round) {
    const absl::Status measured = floor->CommitSlice(0.01);
    ASSERT_TRUE(measured.ok()) << measured;
  }
  EXPECT_EQ(floor->commit_rates().size(), 3u);
  EXPECT_GT(floor->commits_per_s(), 0);
  EXPECT_GT(floor->commit_p50_us(), 0);
  EXPECT_THAT(floor->CommitHow(), testing::AnyOf(HasSubstr("RWF_DSYNC"), HasSubstr("fdatasync")));
  EXPECT_THAT(floor->CommitHow(), HasSubstr("4 KiB"));
}

TEST(DeviceFloorTest, LargeCommitsWrapAtTheFilesEnd) {
  const auto floor = Make(DirectMode::kAuto, kSmallFile);
  ASSERT_TRUE(floor->CommitSlice(0.001).ok());
  ASSERT_TRUE(floor->CommitSlice(0.001).ok());
  EXPECT_THAT(floor->CommitHow(), HasSubstr("32 MiB"));
}

TEST(DeviceFloorTest, StreamsWriteAtLeastOneGroupAndWrap) {
  for (const DirectMode direct : {DirectMode::kAuto, DirectMode::kOff}) {
    const auto floor = Make(direct);
    for (int round = 0; round < 3; ++round) {
      const absl::Status measured = floor->StreamSlice(0.1);
      ASSERT_TRUE(measured.ok()) << measured;
      EXPECT_GT(floor->stream_rates().back(), 0);
    }
    EXPECT_THAT(floor->StreamHow(), HasSubstr(floor->direct() ? "O_DIRECT" : "buffered"));
  }
}

TEST(DeviceFloorTest, ReadsFilesOfAnyLength) {
  const auto floor = Make(DirectMode::kAuto);
  std::vector<std::string> paths;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{3'000'001}}) {
    paths.push_back(testing::TempDir() + "/read-" + std::to_string(bytes));
    std::ofstream(paths.back(), std::ios::binary) << std::string(bytes, 'x');
  }
  const absl::Status measured = floor->ReadSlice(paths);
  EXPECT_TRUE(measured.ok()) << measured;
  EXPECT_GT(floor->read_mb_per_s(), 0);
  paths.push_back(testing::TempDir() + "/missing");
  EXPECT_THAT(std::string(floor->ReadSlice(paths).message()), HasSubstr("/missing"));
  for (const std::string& path : paths) std::remove(path.c_str());
}

TEST(DeviceFloorTest, ADirectoryThatIsNotThereIsNamed) {
  const auto floor = DeviceFloor::Create({.directory = testing::TempDir() + "/nowhere"});
  EXPECT_THAT(std::string(floor.status().message()), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace corewal
