// Registered files over a long life: descriptor numbers and slots are used again and again, and no
// operation ever reaches a file that had them before.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoFileTableTest : public StorageIoTest {
 protected:
  // Two at once, so that they go through the ring and not by a plain system call.
  void WriteTwoBlocks(FileHandle file, char fill) {
    StageWrite(file, 0, fill, 0);
    StageWrite(file, kBlock, fill, 1);
    for (const Completion& written : WaitFor(2)) EXPECT_EQ(written.error, 0);
  }
};

// A slot that is not cleared before the close writes to the old file: RingTest shows it.
TEST_P(StorageIoFileTableTest, DescriptorNumberUsedAgainReachesTheNewFile) {
  OpenFile old_file = CreateFile("old");
  const int number = old_file.fd();
  const FileHandle first = Register(std::move(old_file));
  WriteTwoBlocks(first, 'o');
  ASSERT_OK(io().UnregisterFile(first));
  OpenFile new_file = CreateFile("new");
  ASSERT_EQ(new_file.fd(), number) << "the lowest number free";
  const FileHandle second = Register(std::move(new_file));
  ASSERT_EQ(second.index, first.index);
  WriteTwoBlocks(second, 'n');
  EXPECT_EQ(Content("old"), std::string(2 * kBlock, 'o'));
  EXPECT_EQ(Content("new"), std::string(2 * kBlock, 'n'));
  EXPECT_TRUE(absl::IsInvalidArgument(io().Sync({.file = first}).status())) << "stale for good";
}

TEST_P(StorageIoFileTableTest, TenThousandRegistrationsLeaveNothingBehind) {
  const OpenFile kept = CreateFile("a");
  const int lowest = dup(kept.fd());
  close(lowest);
  const auto again = [&] {
    return OpenFile(&FileSystem::Host(), dup(kept.fd()), kept.path(), kept.facts());
  };
  const FileHandle bystander = Register(again());
  FileHandle last;
  for (int cycle = 0; cycle < 10000; ++cycle) {
    last = Register(again());
    ASSERT_NE(last.index, bystander.index);
    if (cycle % 1000 == 0) {
      WriteTwoBlocks(last, static_cast<char>('a' + cycle / 1000));
      StageWrite(bystander, 2 * kBlock, 'z', 7);
      ASSERT_OK(io().Submit());
    }
    ASSERT_OK(io().UnregisterFile(last));
    if (cycle % 1000 == 0) {
      EXPECT_EQ(WaitForOne().tag, 7u);
    }
  }
  EXPECT_TRUE(absl::IsInvalidArgument(io().UnregisterFile(last)));
  ASSERT_OK(io().UnregisterFile(bystander));
  const int now = dup(kept.fd());
  EXPECT_EQ(now, lowest) << "a descriptor is left open";
  close(now);
  EXPECT_EQ(Content("a"), std::string(2 * kBlock, 'j') + std::string(kBlock, 'z'));
  EXPECT_EQ(io().stats().stale_completions, 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoFileTableTest, testing::ValuesIn(AllSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
