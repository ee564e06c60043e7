#include "wal/segment_set.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/wal/log_fixture.h"
#include "wal/segment_chain.h"

namespace corewal {
namespace {

TEST(SegmentFileNameTest, IsSixteenHexDigits) {
  EXPECT_EQ(SegmentFileName(0xa7), "00000000000000a7.wal");
  EXPECT_EQ(SegmentFileName(UINT64_MAX), "ffffffffffffffff.wal");
  EXPECT_EQ(ParseSegmentFileName("00000000000000a7.wal"), 0xa7u);
  EXPECT_EQ(ParseSegmentFileName("ffffffffffffffff.wal"), UINT64_MAX);
}

TEST(SegmentFileNameTest, OtherShapesAreNotSegments) {
  for (const char* name :
       {"", ".wal", "0000000000000000.wal", "00000000000000A7.wal", "0000000000000a7.wal",
        "000000000000000a7.wal", "00000000000000a7.wa", "00000000000000a7.wal.tmp",
        "00000000000000g7.wal", "0x000000000000a7.wal", "-0000000000000a7.wal"}) {
    EXPECT_EQ(ParseSegmentFileName(name), std::nullopt) << name;
  }
}

TEST(ShardDirectoryTest, RoundTrips) {
  EXPECT_EQ(ShardDirectory("d", ShardId{7}), "d/shard-0007");
  EXPECT_EQ(ShardDirectory("d", ShardId{65535}), "d/shard-65535");
  EXPECT_EQ(ParseShardDirectoryName("shard-0007"), ShardId{7});
  EXPECT_EQ(ParseShardDirectoryName("shard-65535"), ShardId{65535});
  for (const char* name : {"shard-", "shard-7", "shard-007", "shard-00007", "shard-65536",
                           "shard-000x", "Shard-0007", "shard-0007/"}) {
    EXPECT_EQ(ParseShardDirectoryName(name), std::nullopt) << name;
  }
}

class ListSegmentsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<SegmentFile>> List() {
    return ListSegments(FileSystem::Host(), fixture_.io(), fixture_.directory());
  }
  LogFixture fixture_;
};

TEST_F(ListSegmentsTest, AscendAndSayWhatTheHeadersAre) {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"one"});
  log.StartSegment();
  log.AddPreparedSegment(16);
  log.image(4) = log.image(1);  // recycled: the header of its former life
  log.image(3) = "short";
  log.image(5) = "";
  log.WriteTo(fixture_.directory());
  std::ofstream(fixture_.directory() + "/corewal.meta") << "not a segment";
  std::filesystem::create_directory(fixture_.directory() + "/sub");

  const auto segments = List();
  ASSERT_TRUE(segments.ok()) << segments.status();
  ASSERT_EQ(segments->size(), 6u);
  const auto& s = *segments;
  EXPECT_EQ(s[0].sequence, 1u);
  EXPECT_TRUE(s[0].started());
  EXPECT_EQ(s[0].size_bytes, 64u << 10);
  EXPECT_EQ(s[0].path, fixture_.PathOf(1));
  EXPECT_TRUE(s[1].started());
  EXPECT_EQ(s[1].header, log.segment_header());
  EXPECT_EQ(s[2].rule, FormatRule::kSegmentTooShort);
  EXPECT_FALSE(s[2].blank);
  EXPECT_EQ(s[3].rule, FormatRule::kOk);
  EXPECT_FALSE(s[3].started()) << "a recycled file is not part of the log";
  EXPECT_EQ(s[4].rule, FormatRule::kSegmentTooShort);
  EXPECT_TRUE(s[4].blank);
  EXPECT_EQ(s[5].sequence, 16u);
  EXPECT_EQ(s[5].rule, FormatRule::kSegmentMagic);
  EXPECT_TRUE(s[5].blank);
  EXPECT_TRUE(fixture_.BuffersAreHome());
}

TEST_F(ListSegmentsTest, MissingDirectoryIsNotFound) {
  const auto segments =
      ListSegments(FileSystem::Host(), fixture_.io(), fixture_.directory() + "/nowhere");
  EXPECT_TRUE(absl::IsNotFound(segments.status())) << segments.status();
}

TEST_F(ListSegmentsTest, FileOfAnyNameTakesItsSequenceFromItsHeader) {
  LogBuilder log;
  log.StartSegment();
  const std::string path = fixture_.directory() + "/copy.bin";
  std::ofstream(path, std::ios::binary) << log.image(1);
  const auto segment = ReadSegmentFile(FileSystem::Host(), fixture_.io(), path);
  ASSERT_TRUE(segment.ok()) << segment.status();
  EXPECT_EQ(segment->sequence, 1u);
  EXPECT_TRUE(segment->started());
}

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() {
    LogBuilder log;
    for (uint64_t i = 1; i <= 5; ++i) {
      log.StartSegment();
      log.AddBatch({"a"});
      log.AddBatch({"b"});
      SegmentFile segment;
      segment.path = SegmentFileName(i);
      segment.sequence = i;
      segment.header = log.segment_header();
      segment.size_bytes = segment.header.segment_bytes;
      segments_.push_back(segment);
    }
  }
  std::vector<SegmentFile> segments_;
};

TEST_F(ChainTest, LowerIncarnationIsDead) {
  const SegmentHeader& one = segments_[0].header;
  SegmentHeader two = segments_[1].header;
  EXPECT_TRUE(Follows(one, two));
  two.incarnation = TestIncarnation(2, 77);
  EXPECT_TRUE(Follows(one, two)) << "a later opening";
  two.incarnation = TestIncarnation(1, 77);
  EXPECT_FALSE(MayFollow(one, two)) << "an opening of the same count that is not this one";
  SegmentHeader late = one;
  late.incarnation = TestIncarnation(3);
  EXPECT_FALSE(MayFollow(late, segments_[1].header));
}

TEST_F(ChainTest, FollowerNamesItsPredecessorAndPlace) {
  SegmentHeader two = segments_[1].header;
  two.base_lsn += 4096;
  EXPECT_FALSE(Follows(segments_[0].header, two));
  two = segments_[1].header;
  two.previous_sequence = 0;
  EXPECT_FALSE(Follows(segments_[0].header, two));
  EXPECT_FALSE(Follows(segments_[0].header, segments_[2].header));
  EXPECT_TRUE(MayFollow(segments_[0].header, segments_[2].header));
}

TEST_F(ChainTest, ScanStartsAtTheLastKnownDurableLsn) {
  // Segment 5 knows that the log before it is durable to its end.
  EXPECT_EQ(FindScanStart(segments_).segment, 4u);
  EXPECT_EQ(FindScanStart(segments_).durable, segments_[4].header.previous_end);
  segments_[4].header.durable = segments_[3].header.base_lsn + 8192;
  EXPECT_EQ(FindScanStart(segments_).segment, 3u);
  EXPECT_EQ(FindScanStart(segments_).durable, segments_[3].header.base_lsn + 8192);
  segments_[4].header.durable = segments_[1].header.base_lsn + 8192;
  segments_[3].header.durable = Lsn(0);
  segments_[2].header.durable = Lsn(0);
  EXPECT_EQ(FindScanStart(segments_).segment, 1u);
  segments_[2].rule = FormatRule::kSegmentCrc;  // what lies behind proves nothing yet
  segments_[1].header.durable = Lsn(0);
  EXPECT_EQ(FindScanStart(segments_).segment, 0u);
  EXPECT_EQ(FindScanStart({}).segment, 0u);
}

TEST_F(ChainTest, ScanStartsBeforeAFileThatWasCutShort) {
  SegmentFile& second = segments_[1];
  const uint64_t used = segments_[2].header.previous_end - second.header.base_lsn;
  second.size_bytes = used;
  EXPECT_EQ(FindScanStart(segments_).segment, 4u);
  second.size_bytes = used - 1;
  EXPECT_EQ(FindScanStart(segments_).segment, 1u) << "what lies behind proves nothing";
}

TEST_F(ChainTest, ForeignLogShardAndVersionAreNamed) {
  EXPECT_TRUE(CheckSameLog(segments_, LogUuid()).ok());
  EXPECT_TRUE(CheckSameLog(segments_, TestUuid()).ok());
  const absl::Status foreign = CheckSameLog(segments_, TestUuid(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(foreign));
  EXPECT_NE(foreign.message().find(segments_[0].path), absl::string_view::npos) << foreign;

  auto changed = segments_;
  changed[2].header.uuid = TestUuid(9);
  EXPECT_NE(CheckSameLog(changed, LogUuid()).message().find(changed[2].path),
            absl::string_view::npos);
  changed = segments_;
  changed[3].header.shard = ShardId{4};
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckSameLog(changed, LogUuid())));
  changed = segments_;
  changed[4].rule = FormatRule::kSegmentVersion;
  changed[4].header.version = 9;
  EXPECT_EQ(CheckSameLog(changed, LogUuid()).message(),
            changed[4].path + ": format version 9; this build reads up to 1");
}

}  // namespace
}  // namespace corewal
