// The rows of FORMAT.md's recovery decision table that are damage (C1 to C5), by their labels, and
// what looks like it: who finds it, and what is said of it.
#include "gtest/gtest.h"
#include "tests/wal/recovery_fixture.h"

namespace corewal {
namespace {

using RecoveryDamageTest = RecoveryTest;

TEST_F(RecoveryDamageTest, C1DamageBeforeALaterBatchThatKnewItDurable) {
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

TEST_F(RecoveryDamageTest, C1ZeroedBlocksInTheMiddle) {
  log_.StartSegment();
  Fill(log_, "a", 8);
  log_.image(1).replace(2 * 4096, 4 * 4096, 4 * 4096, '\0');
  Expect("C1", LogEnd::kDamaged, 2);
}

TEST_F(RecoveryDamageTest, C1LastBatchBeforeASeal) {
  log_.StartSegment();
  Fill(log_, "a", 3);
  log_.AddSeal();
  log_.image(1)[3 * 4096 + 8] ^= 1;
  Expect("C1", LogEnd::kDamaged, 4);
}

TEST_F(RecoveryDamageTest, C2DamageThatTheNextSegmentsHeaderKnewDurable) {
  log_.StartSegment();
  Fill(log_, "a", 3);
  log_.AddBatch({"the last, not known durable to any batch in this segment"});
  log_.Reopen();
  log_.StartSegment();
  log_.image(1)[4 * 4096 + 70] ^= 1;
  // The same header says where the log before it ended, so that opening begins behind it.
  ExpectFoundByReplay("C2", 6, "T2", log_.end());
  EXPECT_EQ(read_.end.witness_file, fixture_.PathOf(2));
  EXPECT_EQ(read_.end.witness_offset, 0u);
}

TEST_F(RecoveryDamageTest, C1BeforeWhatAHeaderKnowsToBeDurableIsFoundByReplay) {
  log_.StartSegment();
  Fill(log_, "a", 6);
  const Lsn durable = log_.end();
  log_.HoldDurable(durable);
  Fill(log_, "b", 3);
  log_.StartSegment();
  log_.LetDurableGo();
  Fill(log_, "c", 2);
  const LogBuilder whole = log_;
  log_.image(1)[durable.value() - 4096 + 70] ^= 1;  // the batch that ends there
  ExpectFoundByReplay("C1", 10, "T2", log_.end());
  // From there on opening reads everything, and says the same as replay.
  for (const uint64_t at : {durable.value(), durable.value() + 2 * 4096}) {
    SCOPED_TRACE(at);
    log_ = whole;
    log_.image(1)[at + 70] ^= 1;
    Expect("C2", LogEnd::kDamaged, (at / 4096 - 1) * 2);
  }
}

TEST_F(RecoveryDamageTest, C2DamageThatALaterSegmentsBatchKnewDurable) {
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

TEST_F(RecoveryDamageTest, C3HeaderOfALaterSegmentDamaged) {
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

TEST_F(RecoveryDamageTest, C3HeaderOfTheFirstSegmentDamaged) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.image(1)[50] ^= 1;
  Expect("C3", LogEnd::kDamaged, 0);
  EXPECT_TRUE(recovered_.live.empty());
  log_.StartSegment();
  Fill(log_, "b");
  Expect("C3", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryDamageTest, C3FirstSegmentZeroedWhollyButTheNextKnows) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.StartSegment();
  Fill(log_, "b");
  log_.AddPreparedSegment(1);
  Expect("C3", LogEnd::kDamaged, 0);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(1));
}

TEST_F(RecoveryDamageTest, C3MiddleHeaderDamagedAndWitnessInTheOneAfter) {
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

TEST_F(RecoveryDamageTest, TornHeaderOfALastSegmentOverARecycledFileIsNoDamage) {
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

TEST_F(RecoveryDamageTest, TornHeaderOfASegmentInFlightIsNoDamage) {
  log_.StartSegment();
  Fill(log_, "a");
  log_.HoldDurable(log_.end());
  log_.StartSegment();
  Fill(log_, "b", 3);
  log_.image(2).replace(0, 512, 512, '\0');
  Expect("T2", LogEnd::kTorn, 6);
}

TEST_F(RecoveryDamageTest, C4MiddleFileMissing) {
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

TEST_F(RecoveryDamageTest, C4FileCutShort) {
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

TEST_F(RecoveryDamageTest, C4FileCutShortLongAgoIsFoundByItsSize) {
  for (int i = 0; i < 6; ++i) {
    log_.StartSegment();
    Fill(log_, std::to_string(i));
  }
  log_.AddSeal();
  log_.image(2).resize(4 * 4096 - 512);
  Expect("C4", LogEnd::kDamaged, 6 + 4);
  EXPECT_EQ(read_.end.file, fixture_.PathOf(2));
  log_.image(2).resize(4 * 4096);  // its used length
  Expect("T1", LogEnd::kSealed, 36);
}

TEST_F(RecoveryDamageTest, C5PiecesThatContradictInValidBatches) {
  log_.StartSegment();
  log_.AddBatch({"whole"});
  log_.AddBatch({TestPiece::First(100, "begins, but nothing goes on")});
  log_.AddBatch({"another whole"});
  Expect("C5", LogEnd::kDamaged, 1);
  EXPECT_EQ(read_.end.offset, 3u * 4096);
}

TEST_F(RecoveryDamageTest, C5PieceWithoutABeginning) {
  log_.StartSegment();
  log_.AddBatch({TestPiece("end of nothing", Piece::kLast), "whole"});
  Expect("C5", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryDamageTest, C5SealBetweenPieces) {
  log_.StartSegment();
  log_.AddBatch({TestPiece::First(8, "1234")});
  log_.AddSeal();
  log_.AddBatch({TestPiece("5678", Piece::kLast)});
  Expect("C5", LogEnd::kDamaged, 0);
}

TEST_F(RecoveryDamageTest, C5LengthsThatDoNotAddUp) {
  log_.StartSegment();
  log_.AddBatch({TestPiece::First(9, "1234")});
  log_.AddBatch({TestPiece("5678", Piece::kLast)});
  Expect("C5", LogEnd::kDamaged, 0);
}

}  // namespace
}  // namespace corewal
