// Reading on behind damage, and opening a log so: what is handed out, what is said to be lost
// (FORMAT.md, "Reading on behind damage").
#include "gtest/gtest.h"
#include "tests/wal/recovery_fixture.h"

namespace corewal {
namespace {

using SkipDamagedTest = RecoveryTest;

TEST_F(SkipDamagedTest, GoesOnBehindABatchAndSaysWhatIsLost) {
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

TEST_F(SkipDamagedTest, GoesOnInLaterSegments) {
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

TEST_F(SkipDamagedTest, NeverHandsOutDeadBatchesOrPartsOfALostRecord) {
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

TEST_F(SkipDamagedTest, DoesNotResumeInADeadBatch) {
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

TEST_F(SkipDamagedTest, WithNothingValidBehindEndsAtTheDamage) {
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

}  // namespace
}  // namespace corewal
