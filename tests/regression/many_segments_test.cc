// Records that nobody waits for may fill many segments before the first sync. One sync for each of
// them, staged at once, did not fit the storage's queue and failed the writer for good.
#include <gtest/gtest.h>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class ManySegmentsTest : public WriterFixture {};

TEST_F(ManySegmentsTest, SyncOfManySegmentsFitsTheSmallestQueue) {
  io_options_.queue_depth = io_options_.buffers + 4;
  io_options_.file_slots = 64;
  options_.segments_first = 20;
  Open();
  while (writer_->stats().segments_ready < 20) ASSERT_TRUE(writer_->Poll().ok());
  const uint64_t rolls = writer_->stats().rolls + 16;
  size_t records = 0;
  while (writer_->stats().rolls < rolls) {
    Append(std::string(6000, 'm'), Durability::kWritten);
    ++records;
  }
  EXPECT_TRUE(writer_->WaitDurable().ok()) << writer_->failure();
  writer_->CheckInvariants();
  Close();
  EXPECT_EQ(ReadBack().size(), records);
}

// Each segment that is not durable holds a place in the table of files.
TEST_F(ManySegmentsTest, FilesDoNotRunOutWhenNothingAsksForASync) {
  io_options_.file_slots = 10;
  Open();
  size_t records = 0;
  for (; records < 400; ++records) Append(std::string(6000, 'f'), Durability::kWritten);
  EXPECT_TRUE(writer_->preparing_stall().ok()) << writer_->preparing_stall();
  Close();
  EXPECT_EQ(ReadBack().size(), records);
}

}  // namespace
}  // namespace corewal
