// Whoever read on behind a segment's damaged header was given records of a torn tail that the
// segment's opening had dropped: that header had been the only one asked where the log before it
// ended.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/wal/log_fixture.h"

namespace corewal {
namespace {

using Payloads = std::vector<std::string>;

class DeadTailTest : public ::testing::Test {
 protected:
  // Segment 1: three batches, and behind a hole two that were in flight in the crash.
  void WriteFirst(bool reopened) {
    log_.StartSegment();
    log_.AddBatch({"a"});
    b_ = log_.AddBatch({"b"});
    log_.AddBatch({"c"});
    if (reopened) {
      end_ = log_.end();
      const uint32_t crc = log_.last_crc();
      log_.HoldDurable(end_);
      const BatchHeader hole = log_.AddBatch({"never written"});
      log_.AddBatch({"dead"});
      log_.AddBatch({"dead too"});
      log_.image(1).replace(hole.lsn.value(), 4096, 4096, '\0');
      log_.LetDurableGo();
      log_.RewindTo(end_, crc);
      log_.Reopen();
    }
  }
  // Segments 2 and 3: of the next opening, or of the same (then nothing is dead).
  void Write(bool reopened) {
    WriteFirst(reopened);
    for (int i = 0; i < 2; ++i) {
      log_.StartSegment();
      log_.AddBatch({"d"});
      log_.AddBatch({"e"});
    }
    log_.AddSeal();
  }
  void Damage(uint64_t sequence, uint64_t offset) { log_.image(sequence)[offset] ^= 1; }
  Payloads ReadOn() {
    log_.WriteTo(fixture_.directory());
    const ReadLog read = fixture_.Read({.skip_damaged = true});
    EXPECT_STREQ(read.end.row, "T1") << read.end.ToString();
    Payloads payloads;
    for (const ReadRecord& record : read.records) payloads.push_back(record.payload);
    return payloads;
  }

  LogFixture fixture_;
  LogBuilder log_;
  BatchHeader b_;
  Lsn end_;
};

TEST_F(DeadTailTest, StaysDeadBehindADamagedHeader) {
  Write(/*reopened=*/true);
  Damage(2, 50);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "b", "c", "d", "e"}));
}

TEST_F(DeadTailTest, WhatIsAliveBeforeItIsStillReadBehindDamage) {
  Write(/*reopened=*/true);
  Damage(2, 50);
  Damage(1, b_.lsn.value() + 70);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "c", "d", "e"}));
}

TEST_F(DeadTailTest, IsNotTriedWhereNothingTellsWhereTheLogEnded) {
  Write(/*reopened=*/true);
  Damage(2, 50);
  Damage(2, 4096 + 10);
  Damage(1, b_.lsn.value() + 70);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "d", "e"}));
}

TEST_F(DeadTailTest, IsNotTriedWhereTheNextFileIsMissing) {
  Write(/*reopened=*/true);
  log_.RemoveSegment(2);
  Damage(1, b_.lsn.value() + 70);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "d", "e"}));
}

TEST_F(DeadTailTest, AnyHeaderOfAnOpeningKnowsWhereItBeganIfNothingOfItsOwnWasDurable) {
  WriteFirst(/*reopened=*/true);
  // Cut off in its first write: its header is torn, and so is its first batch.
  log_.HoldDurable(end_);
  log_.StartSegment();
  log_.AddBatch({"d"});
  log_.AddBatch({"e"});
  Damage(2, 50);
  Damage(2, 4096 + 10);
  Damage(1, b_.lsn.value() + 70);
  log_.WriteTo(fixture_.directory());
  const ReadLog read = fixture_.Read({.skip_damaged = true});
  EXPECT_EQ(read.end.end, LogEnd::kTorn) << read.end.ToString();
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[1].payload, "c");
}

TEST_F(DeadTailTest, NothingIsDeadInsideOneOpening) {
  Write(/*reopened=*/false);
  Damage(1, b_.lsn.value() + 70);
  const LogBuilder damaged = log_;
  Damage(2, 50);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "c", "d", "e"})) << "the first batch is of the same opening";
  Damage(2, 4096 + 10);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "c", "d", "e"})) << "the second batch is of the same opening";
  log_ = damaged;
  log_.RemoveSegment(2);
  EXPECT_EQ(ReadOn(), (Payloads{"a", "c", "d", "e"})) << "segment 3 is of the same opening";
}

}  // namespace
}  // namespace corewal
