// What an idle writer says of its next timer: a time that is past, with nothing that would be done
// then, makes every loop around it spin.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

// Of the preallocations all but the first few fail, with a full disk; of the writes, from one on.
class FullDisk final : public ForwardingStorageIo {
 public:
  using ForwardingStorageIo::ForwardingStorageIo;
  size_t Poll(absl::Span<Completion> out) override {
    const size_t n = ForwardingStorageIo::Poll(out);
    for (Completion& done : out.first(n)) {
      if (done.kind == OpKind::kPreallocate && preallocations_++ >= good_) done.error = ENOSPC;
      if (done.kind == OpKind::kWrite && fail_writes_) done.error = EIO;
    }
    return n;
  }
  void AllowPreallocations(int count) { good_ = count; }
  void FailWrites() { fail_writes_ = true; }

 private:
  int preallocations_ = 0;
  int good_ = 0;
  bool fail_writes_ = false;
};

class IdleTimerTest : public WriterFixture {
 protected:
  IdleTimerTest() { clock_ = &manual_; }

  // The writer's timers up to now have done what they are for.
  void LetTimePass() {
    for (int i = 0; i < 20; ++i) {
      manual_.Advance(1'000'000'000);
      for (int poll = 0; poll < 20; ++poll) writer_->Poll().IgnoreError();
    }
  }
  void OpenOnFullDisk(int segments) {
    auto disk = std::make_unique<FullDisk>(NewIo());
    disk_ = disk.get();
    disk_->AllowPreallocations(segments);
    io_ = std::move(disk);
    options_.segments_first = 10;
    Open();
    for (int i = 0; i < 1000 && writer_->preparing_stall().ok(); ++i) {
      ASSERT_TRUE(writer_->Poll().ok());
    }
    ASSERT_TRUE(absl::IsResourceExhausted(writer_->preparing_stall()));
  }

  ManualClock manual_;
  FullDisk* disk_ = nullptr;
};

TEST_F(IdleTimerTest, NothingIsWaitedForOnceEnoughSegmentsAreReady) {
  OpenOnFullDisk(5);
  Append("more than two segments are left, which is enough");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  LetTimePass();
  EXPECT_EQ(writer_->next_timer(), kNever);
  EXPECT_TRUE(writer_->preparing_stall().ok()) << writer_->preparing_stall();
  Close();
}

TEST_F(IdleTimerTest, FailedWriterHasNoTimer) {
  OpenOnFullDisk(1);
  disk_->FailWrites();
  Append("fails");
  EXPECT_FALSE(writer_->WaitDurable().ok());
  LetTimePass();
  EXPECT_EQ(writer_->next_timer(), kNever);
}

TEST_F(IdleTimerTest, DelayOfABatchThatNobodyWaitsForIsNoTimer) {
  options_.sync_delay_us_max = 1000;
  Open();
  LetTimePass();
  Append("only appended", Durability::kAppended);
  ASSERT_TRUE(writer_->Poll().ok());
  manual_.Advance(2'000'000);
  ASSERT_TRUE(writer_->Poll().ok());
  EXPECT_GT(writer_->next_timer(), manual_.Now());
  LetTimePass();
  EXPECT_EQ(writer_->durable(), writer_->appended());
  Close();
}

// Taken back at the start of a segment, a reservation leaves a segment that has no header yet; the
// idle log's seal belongs to the one before.
TEST_F(IdleTimerTest, ReservationTakenBackWhereASegmentWouldStartLeavesTheLogIdle) {
  Open();
  Append("record");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  const uint64_t rolls = writer_->stats().rolls;
  while (writer_->stats().rolls == rolls) {
    Append("fills a segment");
    ASSERT_TRUE(writer_->WaitDurable().ok());
    const absl::StatusOr<absl::Span<std::byte>> bytes =
        writer_->Reserve(writer_->reserve_bytes_max());
    if (bytes.ok()) writer_->Cancel();
    ASSERT_TRUE(writer_->Poll().ok());
  }
  LetTimePass();
  EXPECT_EQ(writer_->next_timer(), kNever);
  const std::vector<std::string> before = ReadBack();
  Append("goes on");
  Close();
  EXPECT_EQ(ReadBack().size(), before.size() + 1);
}

// A callback's record goes out with the Poll that ran the callback: the host may sleep after it.
TEST_F(IdleTimerTest, RecordThatACallbackAppendsIsUnderWayAfterPoll) {
  Open();
  LetTimePass();
  Lsn second;
  ASSERT_TRUE(writer_
                  ->Append(Bytes("first"), {},
                           [&](const absl::StatusOr<Lsn>&) { second = Append("second"); })
                  .ok());
  while (second == Lsn()) ASSERT_TRUE(writer_->Poll().ok());
  EXPECT_GT(writer_->submitted(), second);
  Close();
}

}  // namespace
}  // namespace corewal
