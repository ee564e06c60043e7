// Reading while the log is written to, recycled or removed.
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "tests/wal/log_reader_fixture.h"

namespace corewal {
namespace {

class LogReaderMeanwhileTest : public LogReaderTest {
 protected:
  // Writes log_, and reads its first record: what can be read ahead has been.
  void BeginReading() {
    reader_.reset();  // it has the storage's buffers
    log_.WriteTo(fixture_.directory());
    auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
    ASSERT_TRUE(reader.ok()) << reader.status();
    reader_ = *std::move(reader);
    ASSERT_TRUE(reader_->Next(&record_));
  }
  // More batches and a seal come into segment 1, in place.
  void ExpectLateBatchesAreRead() {
    Fill("late", 8);
    log_.AddSeal();
    std::fstream file(fixture_.PathOf(1), std::ios::binary | std::ios::in | std::ios::out);
    file << log_.image(1);
    file.close();
    for (size_t i = 1; i < log_.expected().size(); ++i) {
      ASSERT_TRUE(reader_->Next(&record_)) << reader_->end().ToString();
      EXPECT_EQ(Text(record_.payload), log_.expected()[i].payload);
    }
    EXPECT_FALSE(reader_->Next(&record_));
    EXPECT_STREQ(reader_->end().row, "T1");
  }
  // Segment 2, prepared so far, starts and is given `batches`; segment 1 has 3.
  void ExpectStartedSegmentIsRead(int batches) {
    log_.StartSegment();
    Fill("b", batches);
    LogBuilder::WriteFile(fixture_.PathOf(2), log_.image(2));
    int records = 1;
    while (reader_->Next(&record_)) ++records;
    EXPECT_EQ(records, 3 + batches);
    EXPECT_STREQ(reader_->end().row, "T2") << reader_->end().ToString();
  }

  std::unique_ptr<LogReader> reader_;
  RecordView record_;
};

TEST_F(LogReaderMeanwhileTest, GoesOnWithWhatWasWrittenMeanwhile) {
  log_.StartSegment();
  Fill("early", 2);
  ASSERT_NO_FATAL_FAILURE(BeginReading());
  // The read-ahead has seen zeros here. The new batches know each other durable, so what it has
  // seen and what it reads next contradict each other.
  ExpectLateBatchesAreRead();
}

TEST_F(LogReaderMeanwhileTest, SealOverwrittenMeanwhileIsTakenBack) {
  log_.StartSegment();
  Fill("early", 2);
  log_.AddPassingSeal();
  ASSERT_NO_FATAL_FAILURE(BeginReading());
  // The seal is in the read-ahead. The batches that take its place, and know each other durable,
  // are seen when it turns out that nothing follows it.
  ExpectLateBatchesAreRead();
}

TEST_F(LogReaderMeanwhileTest, SealPassedOverByTheNextSegmentMeanwhileIsTakenBack) {
  log_.StartSegment();
  Fill("a");
  log_.AddPassingSeal();
  log_.AddPreparedSegment(2);
  ASSERT_NO_FATAL_FAILURE(BeginReading());
  ExpectStartedSegmentIsRead(/*batches=*/4);
}

TEST_F(LogReaderMeanwhileTest, FollowsIntoASegmentThatStartedMeanwhile) {
  log_.StartSegment();
  Fill("a");
  log_.AddPreparedSegment(2);
  ASSERT_NO_FATAL_FAILURE(BeginReading());
  ExpectStartedSegmentIsRead(/*batches=*/3);
}

TEST_F(LogReaderMeanwhileTest, SegmentRecycledOrRemovedWhileReadingIsAnError) {
  log_ = LogBuilder(512 << 10);
  log_.StartSegment();
  Fill("a", 60);  // more than is read ahead
  log_.StartSegment();
  Fill("b");
  for (const bool remove : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(BeginReading());
    if (remove) {
      std::filesystem::remove(fixture_.PathOf(2));
    } else {
      LogBuilder other;
      other.Reopen();
      other.StartSegment();
      other.StartSegment();
      LogBuilder::WriteFile(fixture_.PathOf(2), other.image(2));
    }
    while (reader_->Next(&record_)) EXPECT_EQ(record_.payload[0], std::byte{'a'});
    EXPECT_EQ(reader_->end().end, LogEnd::kFailed) << reader_->end().ToString();
    EXPECT_FALSE(reader_->end().ToStatus().ok());
    EXPECT_NE(reader_->end().ToStatus().message().find(fixture_.PathOf(2)),
              absl::string_view::npos);
  }
}

}  // namespace
}  // namespace corewal
