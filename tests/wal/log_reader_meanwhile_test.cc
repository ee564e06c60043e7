// Reading while the log is written to, recycled or removed.
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/wal/log_reader_fixture.h"

namespace corewal {
namespace {

TEST_F(LogReaderTest, GoesOnWithWhatWasWrittenMeanwhile) {
  log_.StartSegment();
  Fill("early", 2);
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  // The read-ahead has seen zeros here. The new batches know each other durable, so what it has
  // seen and what it reads next contradict each other.
  Fill("late", 8);
  log_.AddSeal();
  std::fstream file(fixture_.PathOf(1), std::ios::binary | std::ios::in | std::ios::out);
  file << log_.image(1);
  file.close();
  for (size_t i = 1; i < log_.expected().size(); ++i) {
    ASSERT_TRUE((*reader)->Next(&record)) << (*reader)->end().ToString();
    EXPECT_EQ(Text(record.payload), log_.expected()[i].payload);
  }
  EXPECT_FALSE((*reader)->Next(&record));
  EXPECT_STREQ((*reader)->end().row, "T1");
}

TEST_F(LogReaderTest, SealOverwrittenMeanwhileIsTakenBack) {
  log_.StartSegment();
  Fill("early", 2);
  log_.AddPassingSeal();
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  // The seal is in the read-ahead. The batches that take its place, and know each other durable,
  // are seen when it turns out that nothing follows it.
  Fill("late", 8);
  log_.AddSeal();
  std::fstream file(fixture_.PathOf(1), std::ios::binary | std::ios::in | std::ios::out);
  file << log_.image(1);
  file.close();
  for (size_t i = 1; i < log_.expected().size(); ++i) {
    ASSERT_TRUE((*reader)->Next(&record)) << (*reader)->end().ToString();
    EXPECT_EQ(Text(record.payload), log_.expected()[i].payload);
  }
  EXPECT_FALSE((*reader)->Next(&record));
  EXPECT_STREQ((*reader)->end().row, "T1");
}

TEST_F(LogReaderTest, SealPassedOverByTheNextSegmentMeanwhileIsTakenBack) {
  log_.StartSegment();
  Fill("a");
  log_.AddPassingSeal();
  log_.AddPreparedSegment(2);
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  log_.StartSegment();
  Fill("b", 4);
  LogBuilder::WriteFile(fixture_.PathOf(2), log_.image(2));
  int records = 1;
  while ((*reader)->Next(&record)) ++records;
  EXPECT_EQ(records, 7);
  EXPECT_STREQ((*reader)->end().row, "T2") << (*reader)->end().ToString();
}

TEST_F(LogReaderTest, FollowsIntoASegmentThatStartedMeanwhile) {
  log_.StartSegment();
  Fill("a");
  log_.AddPreparedSegment(2);
  log_.WriteTo(fixture_.directory());
  auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  log_.StartSegment();
  Fill("b");
  LogBuilder::WriteFile(fixture_.PathOf(2), log_.image(2));
  int records = 1;
  while ((*reader)->Next(&record)) ++records;
  EXPECT_EQ(records, 6);
  EXPECT_STREQ((*reader)->end().row, "T2") << (*reader)->end().ToString();
}

TEST_F(LogReaderTest, SegmentRecycledOrRemovedWhileReadingIsAnError) {
  log_ = LogBuilder(512 << 10);
  log_.StartSegment();
  Fill("a", 60);  // more than is read ahead
  log_.StartSegment();
  Fill("b");
  for (const bool remove : {false, true}) {
    log_.WriteTo(fixture_.directory());
    auto reader = LogReader::Open(FileSystem::Host(), fixture_.io(), fixture_.directory(), {});
    ASSERT_TRUE(reader.ok());
    RecordView record;
    ASSERT_TRUE((*reader)->Next(&record));
    if (remove) {
      std::filesystem::remove(fixture_.PathOf(2));
    } else {
      LogBuilder other;
      other.Reopen();
      other.StartSegment();
      other.StartSegment();
      LogBuilder::WriteFile(fixture_.PathOf(2), other.image(2));
    }
    while ((*reader)->Next(&record)) EXPECT_EQ(record.payload[0], std::byte{'a'});
    EXPECT_EQ((*reader)->end().end, LogEnd::kFailed) << (*reader)->end().ToString();
    EXPECT_FALSE((*reader)->end().ToStatus().ok());
    EXPECT_NE((*reader)->end().ToStatus().message().find(fixture_.PathOf(2)),
              absl::string_view::npos);
  }
}

}  // namespace
}  // namespace corewal
