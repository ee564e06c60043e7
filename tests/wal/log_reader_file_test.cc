// Files that are given to be read, and those that are no readable segment.
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/wal/log_reader_fixture.h"

namespace corewal {
namespace {

TEST_F(LogReaderTest, GivenFilesAloneOrInARow) {
  for (int i = 0; i < 4; ++i) {
    log_.StartSegment();
    Fill(std::string(1, static_cast<char>('a' + i)));
  }
  log_.AddSeal();
  log_.WriteTo(fixture_.directory());
  const ReadLog alone = fixture_.ReadFiles({fixture_.PathOf(2)});
  ASSERT_TRUE(alone.open.ok()) << alone.open;
  EXPECT_EQ(alone.records.size(), 3u);
  EXPECT_EQ(alone.records[0].payload, "b0");
  EXPECT_STREQ(alone.end.row, "T2") << "that the log goes on is not seen and no damage";
  const ReadLog row = fixture_.ReadFiles({fixture_.PathOf(3), fixture_.PathOf(4)});
  EXPECT_EQ(row.records.size(), 6u);
  EXPECT_STREQ(row.end.row, "T1");
  const ReadLog gap = fixture_.ReadFiles({fixture_.PathOf(1), fixture_.PathOf(3)});
  EXPECT_EQ(gap.records.size(), 3u);
  EXPECT_STREQ(gap.end.row, "C4");
  EXPECT_TRUE(
      absl::IsInvalidArgument(fixture_.ReadFiles({fixture_.PathOf(3), fixture_.PathOf(1)}).open));
  EXPECT_TRUE(
      absl::IsInvalidArgument(fixture_.ReadFiles({fixture_.PathOf(3), fixture_.PathOf(3)}).open));
}

class BadFileTest : public LogReaderTest {
 protected:
  // What reading this content as segment 1 says, given as a file.
  ReadLog ReadAlone(const std::string& content) {
    LogBuilder::WriteFile(fixture_.PathOf(1), content);
    return fixture_.ReadFiles({fixture_.PathOf(1)});
  }
  void ExpectRefused(const ReadLog& read, const std::string& why) {
    EXPECT_TRUE(absl::IsFailedPrecondition(read.open)) << read.open;
    EXPECT_NE(read.open.message().find(fixture_.PathOf(1)), absl::string_view::npos) << read.open;
    EXPECT_NE(read.open.message().find(why), absl::string_view::npos) << read.open;
  }
};

TEST_F(BadFileTest, EmptyOrZerosHasNotStarted) {
  EXPECT_EQ(ReadAlone("").end.end, LogEnd::kEmpty);
  EXPECT_EQ(ReadAlone(std::string(64 << 10, '\0')).end.end, LogEnd::kEmpty);
}

TEST_F(BadFileTest, TooShort) { ExpectRefused(ReadAlone("COREWAL\n and a bit"), "S0"); }

TEST_F(BadFileTest, RandomBytes) {
  std::mt19937 random(5);
  std::string bytes(100'000, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  ExpectRefused(ReadAlone(bytes), "S1");
  std::string second = log_.image(1);
  log_.StartSegment();
  Fill("good");
  log_.image(2) = bytes;
  log_.WriteTo(fixture_.directory());
  const ReadLog both = fixture_.ReadFiles({fixture_.PathOf(1), fixture_.PathOf(2)});
  EXPECT_EQ(both.records.size(), 3u);
  EXPECT_EQ(both.end.end, LogEnd::kFailed);
  EXPECT_TRUE(absl::IsFailedPrecondition(both.end.ToStatus()));
  EXPECT_EQ(both.end.file, fixture_.PathOf(2));
}

TEST_F(BadFileTest, NewerVersion) {
  log_.StartSegment();
  Put32(&log_.image(1)[12], 9);
  FixSegmentHeaderCrc(log_.image(1).data());
  ExpectRefused(ReadAlone(log_.image(1)), "format version 9; this build reads up to 1");
}

TEST_F(BadFileTest, DamagedHeaderOfARealSegmentIsDamage) {
  log_.StartSegment();
  Fill("a");
  log_.image(1)[40] ^= 1;
  const ReadLog read = ReadAlone(log_.image(1));
  ASSERT_TRUE(read.open.ok()) << read.open;
  EXPECT_STREQ(read.end.row, "C3");
  EXPECT_EQ(read.end.rule, FormatRule::kSegmentCrc);
}

TEST_F(BadFileTest, ForeignLog) {
  log_.StartSegment();
  Fill("a");
  log_.StartSegment();
  log_.image(2)[20] ^= 1;  // in the uuid
  FixSegmentHeaderCrc(log_.image(2).data());
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read();
  EXPECT_TRUE(absl::IsFailedPrecondition(read.open)) << read.open;
  EXPECT_NE(read.open.message().find(fixture_.PathOf(2)), absl::string_view::npos);
}

TEST_F(BadFileTest, SymbolicLinkAndDirectoryAreRefused) {
  log_.StartSegment();
  log_.WriteTo(fixture_.directory());
  ASSERT_EQ(symlink(fixture_.PathOf(1).c_str(), fixture_.PathOf(2).c_str()), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture_.Read().open)) << fixture_.Read().open;
  unlink(fixture_.PathOf(2).c_str());
  ASSERT_EQ(mkdir(fixture_.PathOf(2).c_str(), 0700), 0);
  EXPECT_FALSE(fixture_.Read().open.ok());
}

TEST_F(BadFileTest, HugeClaimsCostNoMemory) {
  // A first piece that claims 1 GiB, a segment that claims 64 GiB, in a file of two blocks.
  log_.StartSegment();
  log_.AddBatch({TestPiece::First(kRecordBytesMax, "x")});
  Put64(&log_.image(1)[56], kSegmentBytesMax);
  FixSegmentHeaderCrc(log_.image(1).data());
  log_.Trim();
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read();
  EXPECT_STREQ(read.end.row, "T2");
  EXPECT_TRUE(read.records.empty());
}

}  // namespace
}  // namespace corewal
