// Each row of FORMAT.md's recovery decision table, by its label: what the reader hands out and
// says, and what recovery makes of the same files.
#include "wal/recovery.h"

#include <random>

#include "gtest/gtest.h"
#include "tests/wal/log_fixture.h"

namespace corewal {
namespace {

class RecoveryTest : public ::testing::Test {
 protected:
  // Three single-block batches of two records each, every one durable before the next.
  static void Fill(LogBuilder& log, const std::string& name, int batches = 3) {
    for (int i = 0; i < batches; ++i) {
      const std::string text = name + std::to_string(i);
      log.AddBatch({text + ".first", text + ".second, which is longer"});
    }
  }
  // Writes the log, reads and recovers it, and checks that both say the same.
  void Expect(const char* row, LogEnd end, size_t records) {
    log_.WriteTo(fixture_.directory());
    read_ = fixture_.Read();
    ASSERT_TRUE(read_.open.ok()) << read_.open;
    EXPECT_STREQ(read_.end.row, row) << read_.end.ToString();
    EXPECT_EQ(read_.end.end, end) << read_.end.ToString();
    EXPECT_EQ(read_.records, ExpectedRecords(log_, records));
    const auto strict = fixture_.Recover();
    if (end == LogEnd::kDamaged) {
      EXPECT_TRUE(absl::IsDataLoss(strict.status())) << strict.status();
      EXPECT_NE(strict.status().message().find(read_.end.file), absl::string_view::npos);
      EXPECT_EQ(read_.end.ToStatus(), strict.status());
    } else {
      EXPECT_TRUE(strict.ok()) << strict.status();
    }
    const auto lenient = fixture_.Recover(RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(lenient.ok()) << lenient.status();
    recovered_ = *lenient;
    EXPECT_STREQ(recovered_.end.row, row) << recovered_.end.ToString();
    EXPECT_EQ(recovered_.end.lsn, read_.end.lsn);
    EXPECT_EQ(recovered_.end.last_crc, read_.end.last_crc);
    EXPECT_EQ(recovered_.end.ToString(), read_.end.ToString());
    EXPECT_TRUE(fixture_.BuffersAreHome());
  }

  LogFixture fixture_;
  LogBuilder log_;
  ReadLog read_;
  RecoveredLog recovered_;
};

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

TEST_F(RecoveryTest, C1DamageBeforeALaterBatchThatKnewItDurable) {
  log_.StartSegment();
  Fill(log_, "a", 6);
  log_.image(1)[3 * 4096 + 70] ^= 1;
  Expect("C1", LogEnd::kDamaged, 4);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(1));
  EXPECT_EQ(read_.end.offset, 3u * 4096);
  EXPECT_EQ(read_.end.rule, FormatRule::kBatchCrc);
  EXPECT_EQ(read_.end.witness_offset, 4u * 4096);
  EXPECT_EQ(read_.end.witness_durable, Lsn(4 * 4096));
  EXPECT_EQ(recovered_.live.size(), 1u);
}

TEST_F(RecoveryTest, C1ZeroedBlocksInTheMiddle) {
  log_.StartSegment();
  Fill(log_, "a", 8);
  log_.image(1).replace(2 * 4096, 4 * 4096, 4 * 4096, '\0');
  Expect("C1", LogEnd::kDamaged, 2);
}

TEST_F(RecoveryTest, C1LastBatchBeforeASeal) {
  log_.StartSegment();
  Fill(log_, "a", 3);
  log_.AddSeal();
  log_.image(1)[3 * 4096 + 8] ^= 1;
  Expect("C1", LogEnd::kDamaged, 4);
}

TEST_F(RecoveryTest, C2DamageThatTheNextSegmentsHeaderKnewDurable) {
  log_.StartSegment();
  Fill(log_, "a", 3);
  log_.AddBatch({"the last, not known durable to any batch in this segment"});
  log_.Reopen();
  log_.StartSegment();
  log_.image(1)[4 * 4096 + 70] ^= 1;
  Expect("C2", LogEnd::kDamaged, 6);
  EXPECT_EQ(read_.end.witness_file, fixture_.PathOf(2));
  EXPECT_EQ(read_.end.witness_offset, 0u);
}

TEST_F(RecoveryTest, C2DamageThatALaterSegmentsBatchKnewDurable) {
  log_.StartSegment();
  Fill(log_, "a", 3);
  log_.HoldDurable(Lsn(3 * 4096));
  log_.StartSegment();
  Fill(log_, "b", 2);
  log_.LetDurableGo();
  Fill(log_, "b", 1);
  log_.image(1)[3 * 4096 + 70] ^= 1;
  Expect("C2", LogEnd::kDamaged, 4);
  EXPECT_EQ(read_.end.witness_file, fixture_.PathOf(2));
  EXPECT_EQ(read_.end.witness_offset, 3u * 4096);
}

TEST_F(RecoveryTest, C3HeaderOfALaterSegmentDamaged) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.image(2)[50] ^= 1;
  Expect("C3", LogEnd::kDamaged, 6);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(2));
  EXPECT_EQ(read_.end.offset, 0u);
  EXPECT_EQ(read_.end.rule, FormatRule::kSegmentCrc);
  EXPECT_EQ(read_.end.witness_file, fixture_.PathOf(2));
}

TEST_F(RecoveryTest, C3HeaderOfTheFirstSegmentDamaged) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.image(1)[50] ^= 1;
  Expect("C3", LogEnd::kDamaged, 0);
  EXPECT_TRUE(recovered_.live.empty());
  log_.StartSegment();
  Fill(log_, "b");
  Expect("C3", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryTest, C3FirstSegmentZeroedWhollyButTheNextKnows) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddPreparedSegment(1);
  Expect("C3", LogEnd::kDamaged, 0);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(1));
}

TEST_F(RecoveryTest, C3MiddleHeaderDamagedAndWitnessInTheOneAfter) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b", 1);
  log_.StartSegment();
  Fill(log_, "c", 2);
  log_.image(2)[50] ^= 1;
  Expect("C3", LogEnd::kDamaged, 6);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(2));
}

TEST_F(RecoveryTest, TornHeaderOfALastSegmentOverARecycledFileIsNoDamage) {
  LogBuilder old;
  old.StartSegment();
  Fill(old, "old", 10);
  log_.StartSegment();
  Fill(log_, "a");
  log_.image(2) = old.image(1);
  log_.image(2).replace(0, 512, 512, '\0');  // the new header began to be written
  Expect("T2", LogEnd::kTorn, 6);
  EXPECT_EQ(recovered_.live.size(), 1u);
}

TEST_F(RecoveryTest, TornHeaderOfASegmentInFlightIsNoDamage) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.HoldDurable(log_.end());
  log_.StartSegment();
  Fill(log_, "b", 3);
  log_.image(2).replace(0, 512, 512, '\0');
  Expect("T2", LogEnd::kTorn, 6);
}

TEST_F(RecoveryTest, C4MiddleFileMissing) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.StartSegment();
  Fill(log_, "c");
  log_.RemoveSegment(2);
  Expect("C4", LogEnd::kDamaged, 6);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(2));
  EXPECT_NE(read_.end.ToString().find("missing"), std::string::npos) << read_.end.ToString();
}

TEST_F(RecoveryTest, C4FileCutShort) {
  log_.StartSegment();
  Fill(log_, "a", 4);
  log_.StartSegment();
  Fill(log_, "b", 3);
  log_.image(1).resize(3 * 4096);
  Expect("C4", LogEnd::kDamaged, 4);
  EXPECT_EQ(read_.end.offset, 3u * 4096);
  log_.image(1).resize(3 * 4096 + 1000);
  Expect("C4", LogEnd::kDamaged, 4);
}

TEST_F(RecoveryTest, C5PiecesThatContradictInValidBatches) {
  log_.StartSegment();
  log_.AddBatch({"whole"});
  log_.AddBatch({TestPiece::First(100, "begins, but nothing goes on")});
  log_.AddBatch({"another whole"});
  Expect("C5", LogEnd::kDamaged, 1);
  EXPECT_EQ(read_.end.offset, 3u * 4096);
}

TEST_F(RecoveryTest, C5PieceWithoutABeginning) {
  log_.StartSegment();
  log_.AddBatch({TestPiece("end of nothing", Piece::kLast), "whole"});
  Expect("C5", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryTest, C5SealBetweenPieces) {
  log_.StartSegment();
  log_.AddBatch({TestPiece::First(8, "1234")});
  log_.AddSeal();
  log_.AddBatch({TestPiece("5678", Piece::kLast)});
  Expect("C5", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryTest, C5LengthsThatDoNotAddUp) {
  log_.StartSegment();
  log_.AddBatch({TestPiece::First(9, "1234")});
  log_.AddBatch({TestPiece("5678", Piece::kLast)});
  Expect("C5", LogEnd::kDamaged, 0);
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

TEST_F(RecoveryTest, SkipDamagedGoesOnBehindABatchAndSaysWhatIsLost) {
  log_.StartSegment();
  std::vector<BatchHeader> batches;
  for (int i = 0; i < 6; ++i) batches.push_back(log_.AddBatch({std::to_string(i)}));
  log_.AddSeal();
  log_.image(1)[batches[2].lsn.value() + 70] ^= 1;
  log_.image(1)[batches[4].lsn.value() + 8] ^= 1;
  log_.WriteTo(fixture_.directory());
  EXPECT_EQ(fixture_.Read().records, ExpectedRecords(log_, 2));
  const ReadLog read = fixture_.Read({.skip_damaged = true});
  EXPECT_STREQ(read.end.row, "T1") << read.end.ToString();
  std::vector<ReadRecord> expected = ExpectedRecords(log_);
  expected.erase(expected.begin() + 4);
  expected.erase(expected.begin() + 2);
  EXPECT_EQ(read.records, expected);
  const auto recovered = fixture_.Recover(RecoveryMode::kSkipDamaged);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->end.lsn, log_.end());
  ASSERT_EQ(recovered->skipped.size(), 2u);
  const SkippedRange& first = recovered->skipped[0];
  EXPECT_EQ(first.begin, batches[2].lsn);
  EXPECT_EQ(first.end, batches[3].lsn);
  EXPECT_EQ(first.rule, FormatRule::kBatchCrc);
  EXPECT_STREQ(first.row, "C1");
  EXPECT_EQ(first.file, fixture_.PathOf(1));
  EXPECT_EQ(first.offset, batches[2].lsn.value());
  EXPECT_EQ(recovered->skipped[1].rule, FormatRule::kBatchHeaderCrc);
  EXPECT_EQ(recovered->skipped[1].end, batches[5].lsn) << recovered->skipped[1].ToString();
  EXPECT_TRUE(fixture_.BuffersAreHome());
}

TEST_F(RecoveryTest, SkipDamagedGoesOnInLaterSegments) {
  for (const std::string what : {"missing", "header", "cut"}) {
    SCOPED_TRACE(what);
    log_ = LogBuilder();
    for (int i = 0; i < 4; ++i) {
      log_.StartSegment();
      Fill(log_, std::to_string(i));
    }
    log_.AddSeal();
    const LogBuilder whole = log_;
    if (what == "missing") log_.RemoveSegment(2);
    if (what == "header") log_.image(2)[100] ^= 1;
    if (what == "cut") log_.image(2).resize(8192);
    log_.WriteTo(fixture_.directory());
    const ReadLog read = fixture_.Read({.skip_damaged = true});
    EXPECT_STREQ(read.end.row, "T1") << read.end.ToString();
    std::vector<ReadRecord> expected;
    for (const ReadRecord& record : ExpectedRecords(whole)) {
      const bool lost = record.lsn >= whole.base(2) && record.lsn < whole.base(3) &&
                        (what != "cut" || record.lsn >= whole.base(2) + 8192);
      if (!lost) expected.push_back(record);
    }
    EXPECT_EQ(read.records, expected);
    EXPECT_EQ(fixture_.Read().end.end, LogEnd::kDamaged) << "strict still refuses";
  }
}

TEST_F(RecoveryTest, SkipDamagedNeverHandsOutDeadBatchesOrPartsOfALostRecord) {
  // A record in pieces loses its middle: no part of it may be joined with what comes later.
  log_.StartSegment();
  log_.AddBatch({"before"});
  log_.AddBatch({TestPiece::First(300, std::string(100, 'a'))});
  const BatchHeader middle = log_.AddBatch({{std::string(100, 'b'), Piece::kMiddle}});
  log_.AddBatch({{std::string(100, 'c'), Piece::kLast}, "after"});
  const Lsn end = log_.end();
  const uint32_t crc = log_.last_crc();
  log_.AddBatch({"dead"});  // behind the end that the next opening found
  log_.RewindTo(end, crc);
  log_.Reopen();
  log_.StartSegment();
  log_.AddBatch({"new"});
  log_.AddSeal();
  log_.image(1)[middle.lsn.value() + 70] ^= 1;
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read({.skip_damaged = true});
  std::vector<std::string> payloads;
  for (const ReadRecord& record : read.records) payloads.push_back(record.payload);
  EXPECT_EQ(payloads, (std::vector<std::string>{"before", "after", "new"}));
}

TEST_F(RecoveryTest, SkipDamagedDoesNotResumeInADeadBatch) {
  log_.StartSegment();
  log_.AddBatch({"before"});
  const BatchHeader last = log_.AddBatch({"the last one that is part of the log"});
  const Lsn end = log_.end();
  const uint32_t crc = log_.last_crc();
  // The first dead one would be recognised by R0, since its header chains to the true end.
  const BatchHeader first_dead = log_.AddBatch({"dead"});
  log_.AddBatch({"dead too"});
  log_.image(1)[first_dead.lsn.value() + 70] ^= 1;
  log_.RewindTo(end, crc);
  log_.Reopen();
  log_.StartSegment();
  log_.AddBatch({"new"});
  log_.AddSeal();
  log_.image(1)[last.lsn.value() + 70] ^= 1;
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read({.skip_damaged = true});
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[0].payload, "before");
  EXPECT_EQ(read.records[1].payload, "new");
}

TEST_F(RecoveryTest, SkipDamagedWithNothingValidBehindEndsAtTheDamage) {
  log_.StartSegment();
  log_.AddBatch({"kept"});
  const BatchHeader lost = log_.AddBatch({"lost"});
  const BatchHeader witness = log_.AddBatch({"its header is whole, its payload is not"});
  log_.image(1)[lost.lsn.value() + 70] ^= 1;
  log_.image(1)[witness.lsn.value() + 70] ^= 1;
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read({.skip_damaged = true});
  EXPECT_EQ(read.end.end, LogEnd::kDamaged);
  EXPECT_EQ(read.records, ExpectedRecords(log_, 1));
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

// What a damaged or cut log may give: the records that were there, in order, from the first on;
// all those acknowledged, unless it says damaged.
void ExpectPrefix(const ReadLog& read, const std::vector<ReadRecord>& all, size_t acknowledged,
                  const std::string& what) {
  ASSERT_TRUE(read.open.ok()) << what << ": " << read.open;
  ASSERT_LE(read.records.size(), all.size()) << what;
  for (size_t i = 0; i < read.records.size(); ++i) ASSERT_EQ(read.records[i], all[i]) << what;
  ASSERT_NE(read.end.end, LogEnd::kFailed) << what << ": " << read.end.ToString();
  ASSERT_NE(read.end.end, LogEnd::kNotYet) << what;
  if (read.end.end != LogEnd::kDamaged) {
    ASSERT_GE(read.records.size(), acknowledged) << what << ": " << read.end.ToString();
  }
}

class SweepTest : public RecoveryTest {
 protected:
  // Two segments, several sizes of batches, pieces over the seam, sealed.
  SweepTest() {
    log_.StartSegment();
    log_.AddBatch({"one", "two", ""});
    log_.AddBatch({std::string(5000, 'm')});
    log_.StartSegment();
    log_.AddBatch({"three"});
    log_.AddBatch({"four", "five"});
    log_.AddSeal();
    log_.Trim();
    // Of the first segment's unused end, one block is enough.
    log_.image(1).resize(5 * 4096);
    all_ = ExpectedRecords(log_);
  }
  std::vector<ReadRecord> all_;
};

TEST_F(SweepTest, EveryFlippedByteOfASealedLogIsFoundOrHarmless) {
  for (const uint64_t sequence : {1, 2}) {
    const std::string good = log_.image(sequence);
    log_.WriteTo(fixture_.directory());
    const bool last = sequence == 2;
    const size_t seal_at = good.size() - 4096;
    const size_t unused_at = 4 * 4096;
    for (size_t i = 0; i < good.size(); ++i) {
      // The fields and framing byte by byte; padding and filling in strides.
      if (i % 4096 >= 200 && i % 61 != 0) continue;
      std::string image = good;
      image[i] ^= static_cast<char>(1 << (i % 8));
      log_.image(sequence) = image;
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
      const ReadLog read = fixture_.Read();
      const std::string what =
          "segment " + std::to_string(sequence) + ", byte " + std::to_string(i);
      ExpectPrefix(read, all_, all_.size(), what);
      const LogEnd expected = last && i >= seal_at      ? LogEnd::kTorn
                              : !last && i >= unused_at ? LogEnd::kSealed
                                                        : LogEnd::kDamaged;
      ASSERT_EQ(read.end.end, expected) << what << ": " << read.end.ToString();
    }
    log_.image(sequence) = good;
  }
}

TEST_F(SweepTest, CutAtEveryBlock) {
  for (const uint64_t sequence : {1, 2}) {
    const std::string good = log_.image(sequence);
    log_.WriteTo(fixture_.directory());
    for (size_t length = 0; length < good.size(); length += 512) {
      LogBuilder::WriteFile(fixture_.PathOf(sequence), good.substr(0, length));
      const ReadLog read = fixture_.Read();
      // Whoever cuts the last file takes the witness away too; of the first one nothing is missed.
      ExpectPrefix(read, all_, sequence == 1 ? all_.size() : 0,
                   "segment " + std::to_string(sequence) + " cut at " + std::to_string(length));
    }
    LogBuilder::WriteFile(fixture_.PathOf(sequence), good);
  }
}

TEST_F(SweepTest, GarbageAnywhereNeverInventsARecord) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    for (const uint64_t sequence : {1, 2}) {
      std::string image = log_.image(sequence);
      const size_t begin = random() % image.size();
      const size_t length = 1 + random() % (random() % 2 == 0 ? 64 : 8192);
      const bool zeros = random() % 3 == 0;
      for (size_t i = begin; i < std::min(image.size(), begin + length); ++i) {
        image[i] = zeros ? '\0' : static_cast<char>(random());
      }
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
    }
    const ReadLog read = fixture_.Read();
    ExpectPrefix(read, all_, 0, "seed " + std::to_string(seed));
    const auto recovered = fixture_.Recover(RecoveryMode::kStopAtDamage);
    ASSERT_TRUE(recovered.ok()) << "seed " << seed << ": " << recovered.status();
  }
}

TEST_F(SweepTest, BlocksOfOtherPlacesNeverInventARecord) {
  const std::string blocks = log_.image(1) + log_.image(2);
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    for (const uint64_t sequence : {1, 2}) {
      std::string image = log_.image(sequence);
      for (uint32_t n = random() % 3; n > 0; --n) {
        image.replace(random() % (image.size() / 4096) * 4096, 4096, blocks,
                      random() % (blocks.size() / 4096) * 4096, 4096);
      }
      LogBuilder::WriteFile(fixture_.PathOf(sequence), image);
    }
    ExpectPrefix(fixture_.Read(), all_, 0, "seed " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace corewal
