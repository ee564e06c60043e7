// The rows of FORMAT.md's recovery decision table that no damage is part of (E0, R0, T1 to T4), by
// their labels, and what opening reads: what the reader hands out and says, and what recovery makes
// of the same files.
#include "wal/recovery.h"

#include <random>

#include "gtest/gtest.h"
#include "tests/wal/recovery_fixture.h"

namespace corewal {
namespace {

TEST_F(RecoveryTest, E0NoFiles) {
  Expect("E0", LogEnd::kEmpty, 0);
  EXPECT_EQ(recovered_.last_incarnation, Incarnation{});
  EXPECT_TRUE(recovered_.live.empty());
}

TEST_F(RecoveryTest, E0PreparedFilesOnly) {
  log_.AddPreparedSegment(1);
  log_.AddPreparedSegment(2);
  log_.image(3) = "";
  Expect("E0", LogEnd::kEmpty, 0);
  EXPECT_EQ(recovered_.spare.size(), 3u);
}

TEST_F(RecoveryTest, E0RandomBytesWithoutWitness) {
  std::mt19937 random(1);
  log_.AddPreparedSegment(1);
  for (char& c : log_.image(1)) c = static_cast<char>(random());
  Expect("E0", LogEnd::kEmpty, 0);
}

TEST_F(RecoveryTest, E0FirstHeaderTornInTheFirstWriteEver) {
  log_.StartSegment();
  Fill(log_, "a", 1);
  log_.image(1).replace(0, 512, 512, '\0');
  Expect("E0", LogEnd::kEmpty, 0);
}

TEST_F(RecoveryTest, R0LogGoesOnOverSegmentsAndOpenings) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.Reopen();
  log_.StartSegment();
  Fill(log_, "c");
  log_.AddSeal();
  Expect("T1", LogEnd::kSealed, 18);
  EXPECT_EQ(recovered_.live.size(), 3u);
  EXPECT_EQ(recovered_.end.lsn, log_.end());
  EXPECT_EQ(recovered_.end.last_crc, log_.last_crc());
  EXPECT_EQ(recovered_.last_incarnation, log_.incarnation());
  EXPECT_EQ(read_.totals.segments, 3u);
  EXPECT_EQ(read_.totals.batches, 10u);
  EXPECT_EQ(read_.totals.seals, 1u);
}

TEST_F(RecoveryTest, R0WhatStandsBehindARecoveredEndStaysDead) {
  log_.StartSegment();
  Fill(log_, "a");
  const Lsn end = log_.end();
  const uint32_t crc = log_.last_crc();
  log_.HoldDurable(end);
  const std::vector<ReadRecord> before = ExpectedRecords(log_);
  LogBuilder dead = log_;
  Fill(dead, "valid, chained, of the right incarnation, but cut off by the next opening", 1);
  log_.image(1) = dead.image(1);
  log_.RewindTo(end, crc);
  log_.LetDurableGo();
  log_.Reopen();
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddSeal();
  Expect("T1", LogEnd::kSealed, 12);
}

TEST_F(RecoveryTest, T1SealedLogWithStaleBytesBehind) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.AddSeal();
  log_.image(1).replace(32768, 100, 100, 'x');
  Expect("T1", LogEnd::kSealed, 6);
  log_.Trim();
  Expect("T1", LogEnd::kSealed, 6);
  EXPECT_EQ(recovered_.live[0].size_bytes, 5u * 4096);
}

TEST_F(RecoveryTest, T1StaleBatchOfARecycledFileBehindTheSeal) {
  LogBuilder old;
  old.StartSegment();
  Fill(old, "old", 10);
  log_.StartSegment();
  log_.StartSegment();
  log_.AddPreparedSegment(1);
  log_ = LogBuilder();
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddSeal();
  // Segment 2 is the recycled file of segment 1's former life: same offsets, other LSNs.
  log_.image(2).replace(5 * 4096, 6 * 4096, old.image(1), 5 * 4096, 6 * 4096);
  Expect("T1", LogEnd::kSealed, 12);
}

TEST_F(RecoveryTest, T2NothingBehindTheLastBatch) {
  log_.StartSegment();
  Fill(log_, "a");
  Expect("T2", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.end.lsn, log_.end());
  EXPECT_EQ(recovered_.end.offset, log_.end().value());
  EXPECT_EQ(recovered_.end.torn_bytes, 0u);
  log_.Trim();
  Expect("T2", LogEnd::kTorn, 6);
}

TEST_F(RecoveryTest, T2HeaderOnlyFirstSegmentIsTheLogsBeginning) {
  log_.StartSegment();
  Expect("T2", LogEnd::kTorn, 0);
  ASSERT_EQ(recovered_.live.size(), 1u);
  EXPECT_EQ(recovered_.end.lsn, Lsn(4096));
  EXPECT_EQ(recovered_.end.last_crc, 0u);
}

TEST_F(RecoveryTest, T2HeaderOnlyLaterSegmentIsNotPartOfTheLog) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Expect("T2", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.live.size(), 1u);
  EXPECT_EQ(recovered_.spare.size(), 1u);
  EXPECT_EQ(recovered_.end.lsn, log_.end());
  EXPECT_EQ(recovered_.end.file, fixture_.PathOf(2));
}

TEST_F(RecoveryTest, T2BatchesOfAnEarlierIncarnationAtTheSameLsnAreStale) {
  LogBuilder dead = log_;
  dead.StartSegment();
  Fill(dead, "dead", 8);
  log_.Reopen();
  log_.StartSegment();
  Fill(log_, "a", 2);
  log_.image(1).replace(3 * 4096, std::string::npos, dead.image(1), 3 * 4096, std::string::npos);
  Expect("T2", LogEnd::kTorn, 4);
}

TEST_F(RecoveryTest, T3LastBatchTornInItsPayload) {
  log_.StartSegment();
  Fill(log_, "a");
  const BatchHeader torn = log_.AddBatch({std::string(9000, 'x')});
  log_.image(1).replace(torn.lsn.value() + 8192, 4096, 4096, '\0');
  Expect("T3", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.end.lsn, torn.lsn);
  EXPECT_EQ(recovered_.end.rule, FormatRule::kBatchCrc);
  EXPECT_EQ(recovered_.end.torn_bytes, torn.length_bytes);
  log_.image(1).resize(torn.lsn.value() + 100);
  Expect("T3", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.end.rule, FormatRule::kBatchTooShort);
  EXPECT_EQ(recovered_.end.torn_bytes, 100u);
}

TEST_F(RecoveryTest, T3HoleAmongBatchesInFlight) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.HoldDurable(log_.end());
  const BatchHeader lost = log_.AddBatch({"never reached the disk"});
  Fill(log_, "reached it, but nobody was told", 2);
  log_.image(1).replace(lost.lsn.value(), 4096, 4096, '\0');
  Expect("T2", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.end.lsn, lost.lsn);
  EXPECT_EQ(recovered_.end.torn_bytes, 2u * 4096);
}

TEST_F(RecoveryTest, T3AfterASealIsStillATornTail) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.AddSeal();
  const BatchHeader torn = log_.AddBatch({"torn"});
  log_.image(1)[torn.lsn.value() + 2000] = 1;
  Expect("T3", LogEnd::kTorn, 6);
}

TEST_F(RecoveryTest, T3RecordInsideATornBatchIsNoWitness) {
  // A record that holds a corewal batch, as a backup of a log would: aligned to look real.
  log_.StartSegment();
  Fill(log_, "a");
  BatchHeader forged;
  forged.lsn = log_.end() + 8192;
  forged.durable = log_.end() + 4096;
  forged.incarnation = log_.incarnation();
  std::string payload(8192 - kBatchHeaderBytes - kRecordFramingBytes, 'p');
  payload += MakeBatch(forged, {"forged"});
  payload.resize(20000);
  const BatchHeader torn = log_.AddBatch({payload});
  log_.image(1)[torn.lsn.value() + 100] ^= 1;
  Expect("T3", LogEnd::kTorn, 6);
}

TEST_F(RecoveryTest, T4LaterSegmentsInFlightAreDead) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.HoldDurable(log_.end());
  const BatchHeader lost = log_.AddBatch({"never reached the disk"});
  Fill(log_, "in flight", 2);
  log_.StartSegment();
  Fill(log_, "in flight too", 2);
  log_.StartSegment();
  Fill(log_, "and this", 2);
  log_.image(1).replace(lost.lsn.value(), 4096, 4096, '\0');
  Expect("T4", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.end.lsn, lost.lsn);
  EXPECT_EQ(recovered_.live.size(), 1u);
  EXPECT_EQ(recovered_.spare.size(), 2u);
  EXPECT_EQ(recovered_.end.torn_bytes, 6u * 4096);
  EXPECT_EQ(recovered_.last_incarnation, log_.incarnation());
}

TEST_F(RecoveryTest, T4MissingMiddleSegmentOfBatchesInFlight) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.HoldDurable(log_.end());
  log_.StartSegment();
  Fill(log_, "in flight");
  log_.StartSegment();
  Fill(log_, "in flight too");
  log_.RemoveSegment(2);
  Expect("T4", LogEnd::kTorn, 6);
}

TEST_F(RecoveryTest, DeadSegmentOfALowerIncarnationIsIgnored) {
  log_.StartSegment();
  Fill(log_, "a");
  LogBuilder dead = log_;
  dead.StartSegment();
  dead.StartSegment();
  Fill(dead, "dead", 8);
  log_.Reopen();
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddSeal();
  log_.image(3) = dead.image(3);
  Expect("T1", LogEnd::kSealed, 12);
  EXPECT_EQ(recovered_.live.size(), 2u);
  EXPECT_EQ(recovered_.spare.size(), 1u);
}

TEST_F(RecoveryTest, RecordCutOffByACrashIsDroppedAtTheNextOpening) {
  log_.StartSegment();
  log_.AddBatch({"whole", TestPiece::First(100000, "never finished")});
  Expect("T2", LogEnd::kTorn, 1);
  log_.Reopen();
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddSeal();
  Expect("T1", LogEnd::kSealed, 7);
}

TEST_F(RecoveryTest, OldSegmentsRemovedByTruncationAreNotMissed) {
  for (int i = 0; i < 5; ++i) {
    log_.StartSegment();
    Fill(log_, std::to_string(i));
  }
  log_.AddSeal();
  log_.RemoveSegment(1);
  log_.RemoveSegment(2);
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read();
  ASSERT_TRUE(read.open.ok());
  EXPECT_STREQ(read.end.row, "T1");
  EXPECT_EQ(read.records.size(), 18u);
  EXPECT_EQ(read.records[0].payload, "20.first");
  const auto recovered = fixture_.Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->live.size(), 3u);
}

// Bytes before the last known durable LSN are not read: neither those of its segment, nor, if that
// is where the segment's log ended, that segment at all.
TEST_F(RecoveryTest, CostsTheLastSegmentAndWhatIsNotKnownToBeDurable) {
  constexpr uint64_t kSegment = 1 << 20;
  constexpr uint64_t kReadAhead = 8 * (16 << 10);  // that may be in flight where a file is left
  for (const bool all_durable : {false, true}) {
    SCOPED_TRACE(all_durable);
    log_ = LogBuilder(kSegment);
    for (int i = 0; i < 3; ++i) {
      log_.StartSegment();
      log_.AddBatch({std::string(900'000, 'a')});
      if (!all_durable) log_.HoldDurable(log_.end());
      Fill(log_, "b");
    }
    log_.WriteTo(fixture_.directory());
    const uint64_t before = fixture_.io().stats().bytes_read;
    const auto recovered = fixture_.Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_STREQ(recovered->end.row, "T2");
    EXPECT_EQ(recovered->end.lsn, log_.end());
    EXPECT_EQ(recovered->end.last_crc, log_.last_crc());
    const uint64_t read = fixture_.io().stats().bytes_read - before;
    EXPECT_GE(read, kSegment);
    EXPECT_LE(read, kSegment + 3 * kReadAhead + (all_durable ? 0 : kSegment - 900'000));
  }
}

TEST_F(RecoveryTest, EpochOfWhatIsNotReadIsThatOfTheNextHeader) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  SegmentHeader header = log_.segment_header();
  header.epoch = Epoch(7);
  log_.image(2).replace(0, 4096, MakeSegmentHeader(header));
  Expect("T2", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.live.size(), 1u) << "nothing stands in the second segment";
  EXPECT_EQ(recovered_.last_epoch, Epoch(7));
}

TEST_F(RecoveryTest, CostsTheLastSegmentsOnly) {
  for (int i = 0; i < 40; ++i) {
    log_.StartSegment();
    Fill(log_, std::to_string(i));
  }
  log_.AddSeal();
  log_.image(3)[4096 + 70] ^= 1;  // found when the records are read, not here
  log_.WriteTo(fixture_.directory());
  const uint64_t before = fixture_.io().stats().bytes_read;
  const auto recovered = fixture_.Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_STREQ(recovered->end.row, "T1");
  EXPECT_EQ(recovered->live.size(), 40u);
  EXPECT_LE(fixture_.io().stats().bytes_read - before, 40 * 4096u + 4 * (64u << 10));
  const ReadLog read = fixture_.Read();
  EXPECT_STREQ(read.end.row, "C1") << read.end.ToString();
}

TEST_F(RecoveryTest, ForeignSegmentIsRefusedByName) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.WriteTo(fixture_.directory());
  const auto foreign = fixture_.Recover(RecoveryMode::kStrict, TestUuid(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(foreign.status())) << foreign.status();
  EXPECT_NE(foreign.status().message().find(fixture_.PathOf(1)), absl::string_view::npos);
}

TEST_F(RecoveryTest, NewerVersionIsRefusedByName) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Put32(&log_.image(2)[12], 9);
  FixSegmentHeaderCrc(log_.image(2).data());
  log_.WriteTo(fixture_.directory());
  const absl::Status status = fixture_.Recover(RecoveryMode::kStopAtDamage).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(), fixture_.PathOf(2) + ": format version 9; this build reads up to 1");
  EXPECT_EQ(fixture_.Read().open, status);
}

}  // namespace
}  // namespace corewal
