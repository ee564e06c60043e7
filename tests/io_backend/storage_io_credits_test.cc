// Credits of a storage and of a file (io_backend/CONTRACT.md), on every backend: a caller that
// ignores them is refused, and neither blocks nor loses a completion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

using testing::HasSubstr;

class StorageIoCreditsTest : public StorageIoTest {
 protected:
  void Limit(uint32_t queue_depth, uint32_t file_in_flight_max) {
    StorageIoOptions limited = options();
    limited.queue_depth = queue_depth;
    limited.file_in_flight_max = file_in_flight_max;
    Recreate(limited);
  }
  // Stages syncs, which need no buffer, until one is refused; returns how many were accepted.
  uint32_t StageUntilRefused(FileHandle file) {
    uint32_t accepted = 0;
    while (accepted < 1000) {
      const absl::Status staged = io().Sync({.file = file}).status();
      if (absl::IsResourceExhausted(staged)) return accepted;
      EXPECT_OK(staged);
      ++accepted;
    }
    return accepted;
  }
};

TEST_P(StorageIoCreditsTest, FullFileLeavesRoomForTheOthers) {
  Limit(8, 3);
  const FileHandle busy = Register(CreateFile("busy"));
  const FileHandle other = Register(CreateFile("other"));
  EXPECT_EQ(StageUntilRefused(busy), 3u);
  EXPECT_THAT(std::string(io().Sync({.file = busy}).status().message()),
              HasSubstr("file_in_flight_max"));
  EXPECT_EQ(StageUntilRefused(other), 3u);
  EXPECT_EQ(io().in_flight(), 6u);
  EXPECT_EQ(WaitFor(6).size(), 6u);
  EXPECT_EQ(io().stats().file_full, 3u);
  EXPECT_EQ(io().stats().queue_full, 0u);
}

TEST_P(StorageIoCreditsTest, CreditOfAFileComesBackWhenItsOperationCompletes) {
  Limit(8, 2);
  const FileHandle file = Register(CreateFile("a"));
  for (uint64_t round = 0; round < 10; ++round) {
    StageWrite(file, 0, 'x', round);
    StageWrite(file, kBlock, 'x', round);
    BufferLease refused = Filled('y', kBlock);
    EXPECT_TRUE(absl::IsResourceExhausted(WriteBlock(file, std::move(refused)).status()));
    EXPECT_TRUE(refused) << "stays the caller's";
    EXPECT_EQ(WaitFor(2).size(), 2u);
  }
}

TEST_P(StorageIoCreditsTest, NoLimitOfAFileMeansTheLimitOfTheQueue) {
  Limit(5, 0);
  const FileHandle file = Register(CreateFile("a"));
  EXPECT_EQ(StageUntilRefused(file), 5u);
  EXPECT_EQ(io().stats().queue_full, 1u);
  EXPECT_EQ(WaitFor(5).size(), 5u);
}

TEST_P(StorageIoCreditsTest, SlotUsedAgainStartsWithAllItsCredits) {
  Limit(8, 2);
  const FileHandle first = Register(CreateFile("a"));
  EXPECT_EQ(StageUntilRefused(first), 2u);
  ASSERT_OK(io().UnregisterFile(first));
  const FileHandle second = Register(CreateFile("b"));
  EXPECT_EQ(second.index, first.index);
  EXPECT_EQ(StageUntilRefused(second), 2u);
  EXPECT_EQ(WaitFor(4).size(), 4u);
  EXPECT_EQ(StageUntilRefused(second), 2u);
  EXPECT_EQ(WaitFor(2).size(), 2u);
}

// Stages on every turn whatever it was told, polls seldom and little; each accepted operation
// completes exactly once all the same.
TEST_P(StorageIoCreditsTest, CallerThatIgnoresBackpressureIsRefusedAndLosesNothing) {
  Limit(16, 5);
  const FileHandle files[] = {Register(CreateFile("a")), Register(CreateFile("b")),
                              Register(CreateFile("c"))};
  std::set<uint64_t> open;
  uint64_t accepted = 0, refused = 0, completed = 0;
  const auto poll = [&](size_t most) {
    Completion out[16];
    const size_t polled = io().Poll(absl::MakeSpan(out).first(most));
    for (size_t i = 0; i < polled; ++i) {
      EXPECT_EQ(out[i].error, 0);
      EXPECT_EQ(open.erase(out[i].token.bits), 1u);
    }
    completed += polled;
  };
  for (uint64_t turn = 0; turn < 600; ++turn) {
    const auto token = io().Sync({.file = files[turn % 7 % 3], .tag = turn});
    if (token.ok()) {
      ++accepted;
      EXPECT_TRUE(open.insert(token->bits).second);
    } else {
      ASSERT_TRUE(absl::IsResourceExhausted(token.status())) << token.status();
      ++refused;
    }
    EXPECT_LE(io().in_flight(), 16u);
    if (turn % 5 == 0) {
      ASSERT_OK(io().Submit());
    }
    if (turn % 11 == 0) poll(1);
    if (turn % 97 == 0) {
      ASSERT_OK(io().Wait(1, kNever));
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(io().stats().queue_full + io().stats().file_full, refused);
  while (io().in_flight() > 0) {
    ASSERT_OK(io().Wait(1, kNever));
    poll(16);
  }
  EXPECT_EQ(completed, accepted);
  EXPECT_TRUE(open.empty());
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoCreditsTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
