// Records that a writer is given in parts: what is in the log afterwards, what waits and what does
// not while one is open, and what becomes of one that is not ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/regression/writer_fixture.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

std::string Text(uint64_t bytes, char seed) {
  std::string text(bytes, '\0');
  for (uint64_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(seed + i * 7 + i / 251);
  return text;
}

class StreamingAppendTest : public WriterFixture {
 protected:
  StreamingAppendTest() {
    options_.seal_after_us = 1'000'000'000;  // no idle seal unless asked for
    options_.segments_ready = 3;
  }

  void Turn() { ASSERT_TRUE(writer_->Wait(clock_->Now() + 1'000'000'000).ok()); }
  void Begin(uint64_t bytes, const AppendOptions& options = {}) {
    absl::Status begun = writer_->BeginRecord(bytes, options);
    while (absl::IsResourceExhausted(begun)) {
      Turn();
      begun = writer_->BeginRecord(bytes, options);
    }
    ASSERT_TRUE(begun.ok()) << begun;
    EXPECT_TRUE(writer_->record_open());
  }
  // Everything of `text` from `from` on, `part_bytes` at a time.
  void AppendParts(const std::string& text, uint64_t part_bytes, uint64_t from = 0) {
    while (from < text.size()) {
      const uint64_t bytes = std::min<uint64_t>(part_bytes, text.size() - from);
      const auto taken = writer_->AppendPart(Bytes(text).subspan(from, bytes));
      writer_->CheckInvariants();
      if (taken.ok()) {
        ASSERT_GT(*taken, 0u);
        ASSERT_LE(*taken, bytes);
        from += *taken;
      } else {
        ASSERT_TRUE(absl::IsResourceExhausted(taken.status())) << taken.status();
        Turn();
      }
    }
  }
  Lsn Stream(const std::string& text, uint64_t part_bytes) {
    Begin(text.size());
    AppendParts(text, part_bytes);
    const absl::StatusOr<Lsn> lsn = writer_->EndRecord();
    EXPECT_TRUE(lsn.ok()) << lsn.status();
    EXPECT_FALSE(writer_->record_open());
    written_.push_back(text);
    return lsn.value_or(Lsn());
  }
  // A record of which some pieces are in the log, and which is given up then.
  void GiveUp(uint64_t bytes, uint64_t given_bytes) {
    const std::string text = Text(bytes, 'x');
    Begin(bytes);
    AppendParts(text.substr(0, given_bytes), 5000);
    writer_->CancelRecord();
    EXPECT_FALSE(writer_->record_open());
    writer_->CheckInvariants();
  }
  void Put(const std::string& text) {
    Append(text);
    written_.push_back(text);
  }
  void SyncAll() { ASSERT_TRUE(writer_->WaitDurable().ok()); }
  LogEnd EndFound() {
    const absl::StatusOr<RecoveredLog> recovered = Recover();
    EXPECT_TRUE(recovered.ok()) << recovered.status();
    return recovered.ok() ? recovered->end.end : LogEnd::kFailed;
  }
  // As a reader in pieces has them: of records that never ended, only the beginnings' lengths.
  std::vector<std::string> ReadPieces(uint64_t* broken_off) {
    const std::unique_ptr<StorageIo> io = NewIo();
    auto reader = LogReader::Open(FileSystem::Host(), *io, directory_.path(), {.pieces = true});
    EXPECT_TRUE(reader.ok()) << reader.status();
    std::vector<std::string> records;
    std::string open;
    *broken_off = 0;
    RecordView part;
    while ((*reader)->Next(&part)) {
      if (part.part_offset == 0 && !open.empty()) {
        ++*broken_off;
        open.clear();
      }
      EXPECT_EQ(part.part_offset, open.size());
      open += OwnedRecord(part).payload;
      if (part.last_part()) records.push_back(std::exchange(open, ""));
    }
    EXPECT_TRUE((*reader)->end().ToStatus().ok()) << (*reader)->end().ToString();
    if (!open.empty()) ++*broken_off;
    return records;
  }
  std::vector<std::string> FollowAll() {
    const std::unique_ptr<StorageIo> io = NewIo();
    auto follower = LogFollower::Open(FileSystem::Host(), *io, directory_.path(), {});
    EXPECT_TRUE(follower.ok()) << follower.status();
    std::vector<std::string> records;
    RecordView record;
    FollowEvent event = FollowEvent::kRecord;
    while ((event = (*follower)->Next(&record)) == FollowEvent::kRecord) {
      records.push_back(OwnedRecord(record).payload);
    }
    EXPECT_EQ(event, FollowEvent::kCaughtUp) << (*follower)->status();
    return records;
  }

  std::vector<std::string> written_;
};

TEST_F(StreamingAppendTest, PartsOfAnySizeMakeTheRecord) {
  Open();
  char seed = 'a';
  for (const uint64_t bytes : {0, 1, 3, 4096, 12'000, 12'220, 12'224, 12'300, 16'316, 40'000}) {
    for (const uint64_t part_bytes : {1000, 4096, 50'000}) {
      Put("before");
      const Lsn lsn = Stream(Text(bytes, ++seed), part_bytes);
      EXPECT_LT(lsn, writer_->appended());
      Put("behind");
    }
  }
  Stream(Text(300'000, 'z'), 7777);  // over segments
  Close();
  EXPECT_EQ(EndFound(), LogEnd::kSealed);
  EXPECT_EQ(ReadBack(), written_);
  EXPECT_EQ(FollowAll(), written_);
  uint64_t broken_off = 0;
  EXPECT_EQ(ReadPieces(&broken_off), written_);
  EXPECT_EQ(broken_off, 0u);
}

// What streamed and what was appended at once cannot be told apart, but for the batch's beginning.
TEST_F(StreamingAppendTest, RecordThatFitsABatchIsWholeThere) {
  Open();
  Begin(9000, {.type = RecordType{17}});
  AppendParts(Text(9000, 's'), 100);
  ASSERT_TRUE(writer_->EndRecord().ok());
  Close();
  const std::unique_ptr<StorageIo> io = NewIo();
  auto reader = LogReader::Open(FileSystem::Host(), *io, directory_.path(), {.pieces = true});
  ASSERT_TRUE(reader.ok());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  EXPECT_TRUE(record.whole());
  EXPECT_EQ(record.type, RecordType{17});
  EXPECT_EQ(OwnedRecord(record).payload, Text(9000, 's'));
  EXPECT_FALSE((*reader)->Next(&record));
}

TEST_F(StreamingAppendTest, NothingElseIsAppendedWhileARecordIsOpen) {
  Open();
  Put("before");
  Begin(30'000);
  AppendParts(Text(30'000, 'r').substr(0, 20'000), 20'000);
  const std::string other = "other";
  const absl::Span<const std::byte> both[] = {Bytes(other), Bytes(other)};
  const auto never = [](const absl::StatusOr<Lsn>&) { ADD_FAILURE(); };
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->Append(Bytes(other)).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->Append(Bytes(""), {}, never).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->AppendBatch(both).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->Reserve(10).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->BeginRecord(10)));
    EXPECT_TRUE(writer_->record_open());
    SyncAll();
  }
  // What does not append goes on.
  EXPECT_TRUE(writer_->SetCursor("reader", writer_->durable()).ok());
  EXPECT_TRUE(writer_->TruncateBefore(writer_->durable()).ok());
  AppendParts(Text(30'000, 'r'), 20'000, 20'000);
  ASSERT_TRUE(writer_->EndRecord().ok());
  written_.push_back(Text(30'000, 'r'));
  Put("behind");
  Close();
  EXPECT_EQ(ReadBack(), written_);
}

TEST_F(StreamingAppendTest, WithoutAnOpenRecordThereIsNothingToAppendToOrToEnd) {
  Open();
  const std::string part = "part";
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->AppendPart(Bytes(part)).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->EndRecord().status()));
  writer_->CancelRecord();
  EXPECT_TRUE(absl::IsInvalidArgument(writer_->BeginRecord(kRecordBytesMax + 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(writer_->BeginRecord(1, {.type = RecordType{128}})));
  EXPECT_FALSE(writer_->record_open());
  Close();
  EXPECT_TRUE(ReadBack().empty());
}

TEST_F(StreamingAppendTest, ALengthThatIsNotKeptIsRefusedAndTheRecordStaysOpen) {
  Open();
  const std::string text = Text(20'000, 'l');
  Begin(text.size());
  AppendParts(text.substr(0, 15'000), 15'000);
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->EndRecord().status()));
  EXPECT_TRUE(absl::IsInvalidArgument(writer_->AppendPart(Bytes(text).subspan(14'999)).status()));
  AppendParts(text, 5000, 15'000);
  EXPECT_TRUE(absl::IsInvalidArgument(writer_->AppendPart(Bytes(text).subspan(0, 1)).status()));
  EXPECT_TRUE(writer_->AppendPart({}).ok());
  ASSERT_TRUE(writer_->EndRecord().ok());
  written_.push_back(text);
  Close();
  EXPECT_EQ(ReadBack(), written_);
}

// The parts may take their time: what came before is acknowledged meanwhile, the record is not.
TEST_F(StreamingAppendTest, WhatCameBeforeBecomesDurableWhileTheRecordIsOpen) {
  Open();
  bool before = false, record = false;
  ASSERT_TRUE(writer_->Append(Bytes("before"), {}, [&](auto lsn) { before = lsn.ok(); }).ok());
  Begin(100'000);
  const std::string text = Text(100'000, 'd');
  AppendParts(text.substr(0, 99'999), 3000);
  for (int turns = 0; turns < 1000 && !before; ++turns) Turn();
  EXPECT_TRUE(before);
  SyncAll();
  EXPECT_GT(writer_->submitted(), writer_->durable());  // pieces, which do not count yet
  AppendParts(text, 1, 99'999);
  const Lsn durable_before = writer_->durable();
  const auto lsn = writer_->EndRecord([&](auto done) { record = done.ok(); });
  ASSERT_TRUE(lsn.ok());
  EXPECT_LE(durable_before, *lsn);
  EXPECT_FALSE(record);
  SyncAll();
  writer_->Poll().IgnoreError();
  EXPECT_TRUE(record);
  EXPECT_GT(writer_->durable(), *lsn);
  Close();
}

TEST_F(StreamingAppendTest, WithoutABufferNothingOfAPartIsTaken) {
  Open();
  const std::string text = Text(60'000, 'b');
  Begin(text.size());
  std::vector<BufferLease> held;
  const auto hold_all = [&] {
    for (auto buffer = io_->AcquireBuffer(); buffer.ok(); buffer = io_->AcquireBuffer()) {
      held.push_back(*std::move(buffer));
    }
  };
  hold_all();
  const auto first = writer_->AppendPart(Bytes(text));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_GT(*first, 0u);
  EXPECT_LT(*first, 16u << 10);  // the one buffer that the record has
  const uint64_t stalls = writer_->stats().stalls;
  SyncAll();  // its piece is on the disk, and its buffer free again
  hold_all();
  EXPECT_TRUE(absl::IsResourceExhausted(writer_->AppendPart(Bytes(text).subspan(*first)).status()));
  EXPECT_GT(writer_->stats().stalls, stalls);
  held.clear();
  AppendParts(text, 60'000, *first);
  ASSERT_TRUE(writer_->EndRecord().ok());
  written_.push_back(text);
  Close();
  EXPECT_EQ(ReadBack(), written_);
}

// A log that may not grow: the record waits, and can be given up; truncation makes room again.
TEST_F(StreamingAppendTest, RecordForWhichThereAreNoSegmentsCanBeGivenUp) {
  options_.segments_ready = 1;
  options_.log_bytes_max = 4 * options_.segment_bytes;
  Open();
  Put("before");
  const std::string text = Text(1 << 20, 'f');
  Begin(text.size());
  uint64_t taken_bytes = 0;
  for (int refused = 0; refused < 50;) {
    const auto taken = writer_->AppendPart(Bytes(text).subspan(taken_bytes, 10'000));
    taken_bytes += taken.ok() ? *taken : 0;
    if (taken.ok()) continue;
    ASSERT_TRUE(absl::IsResourceExhausted(taken.status())) << taken.status();
    ++refused;
    SyncAll();
    ASSERT_TRUE(writer_->Poll().ok());
  }
  EXPECT_GT(taken_bytes, 2 * options_.segment_bytes);
  EXPECT_FALSE(writer_->preparing_stall().ok());
  writer_->CancelRecord();
  EXPECT_TRUE(absl::IsResourceExhausted(writer_->Append(Bytes("behind")).status()));
  EXPECT_EQ(writer_->failure(), absl::OkStatus());
  Close();
  EXPECT_EQ(EndFound(), LogEnd::kTorn);
  EXPECT_EQ(ReadBack(), written_);
  options_.log_bytes_max = 0;
  Open();
  Put("behind");
  Close();
  EXPECT_EQ(ReadBack(), written_);
}

TEST_F(StreamingAppendTest, CancelledBeforeItsFirstPieceWentOutItLeavesNoTrace) {
  Open();
  Put("before");
  const Incarnation incarnation = writer_->incarnation();
  for (int i = 0; i < 3; ++i) {
    const Lsn appended = writer_->appended();
    GiveUp(100'000, 5000);
    EXPECT_LE(appended, writer_->appended());
  }
  Put("behind");
  EXPECT_EQ(writer_->incarnation(), incarnation);
  EXPECT_EQ(writer_->stats().rolls, 1u);
  Close();
  EXPECT_EQ(EndFound(), LogEnd::kSealed);
  EXPECT_EQ(ReadBack(), written_);
  uint64_t broken_off = 0;
  ReadPieces(&broken_off);
  EXPECT_EQ(broken_off, 0u);
}

TEST_F(StreamingAppendTest, ReadersPassOverARecordThatWasGivenUpInTheMiddleOfTheLog) {
  Open();
  Put("before");
  const Incarnation incarnation = writer_->incarnation();
  GiveUp(100'000, 99'999);  // the last piece is all that is missing
  Put("behind");
  EXPECT_EQ(writer_->incarnation().count(), incarnation.count() + 1);
  Stream(Text(100'000, 'w'), 9000);
  GiveUp(20'000, 19'000);
  SyncAll();
  GiveUp(1 << 20, 70'000);  // ends in a later segment; the next record begins another one
  Stream(Text(30'000, 'v'), 9000);
  Put("end");
  EXPECT_EQ(writer_->incarnation().count(), incarnation.count() + 3);
  SyncAll();
  EXPECT_EQ(ReadBack(), written_);
  Close();
  EXPECT_EQ(EndFound(), LogEnd::kSealed);
  EXPECT_EQ(ReadBack(), written_);
  EXPECT_EQ(FollowAll(), written_);
  uint64_t broken_off = 0;
  EXPECT_EQ(ReadPieces(&broken_off), written_);
  EXPECT_EQ(broken_off, 3u);
  Open();  // and openings count on
  EXPECT_EQ(writer_->incarnation().count(), incarnation.count() + 4);
  Put("again");
  Close();
  EXPECT_EQ(ReadBack(), written_);
}

// A roll that has taken a segment, but not written its header yet: there the log can go on.
TEST_F(StreamingAppendTest, GivenUpRightBehindARollItNeedsNoFurtherSegment) {
  const std::string text = Text(1 << 20, 'h');
  for (const bool append_more : {true, false, true}) {
    Open();
    Put("before");
    Begin(text.size());
    for (uint64_t given = 0; writer_->stats().rolls < 2; given += 100) {
      AppendParts(text.substr(0, given + 100), 100, given);
    }
    writer_->CancelRecord();
    writer_->CheckInvariants();
    if (append_more) Put("behind");
    EXPECT_EQ(writer_->stats().rolls, 2u);
    Close();
    EXPECT_EQ(EndFound(), append_more ? LogEnd::kSealed : LogEnd::kTorn);
    EXPECT_EQ(ReadBack(), written_);
  }
}

TEST_F(StreamingAppendTest, CloseGivesAnOpenRecordUp) {
  for (const uint64_t given : {0, 5000, 50'000}) {
    Open();
    Put("before");
    Begin(100'000);
    AppendParts(Text(100'000, 'c').substr(0, given), 5000);
    ASSERT_TRUE(writer_->Close().ok());
    EXPECT_FALSE(writer_->record_open());
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->AppendPart(Bytes("part")).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(writer_->EndRecord().status()));
    writer_.reset();
    io_.reset();
    EXPECT_EQ(EndFound(), given == 50'000 ? LogEnd::kTorn : LogEnd::kSealed);
    EXPECT_EQ(ReadBack(), written_);
  }
  Open();
  GiveUp(100'000, 50'000);
  Close();  // as if it had been open
  EXPECT_EQ(EndFound(), LogEnd::kTorn);
  EXPECT_EQ(ReadBack(), written_);
}

// Every operation fails from the time that it is told.
class FailingWrites : public ForwardingStorageIo {
 public:
  using ForwardingStorageIo::ForwardingStorageIo;
  size_t Poll(absl::Span<Completion> out) override {
    const size_t n = ForwardingStorageIo::Poll(out);
    for (size_t i = 0; error != 0 && i < n; ++i) out[i].error = error;
    return n;
  }
  int error = 0;
};

TEST_F(StreamingAppendTest, FailureEndsTheRecord) {
  const std::string text = Text(100'000, 'e');
  for (const int error : {EIO, ENOSPC}) {  // the latter looks like a refusal
    auto failing = std::make_unique<FailingWrites>(NewIo());
    FailingWrites& io = *failing;
    io_ = std::move(failing);
    Open();
    Put("before");
    SyncAll();
    Begin(text.size());
    AppendParts(text.substr(0, 14'000), 14'000);
    io.error = error;
    AppendParts(text.substr(0, 40'000), 5000, 14'000);
    writer_->WaitDurable().IgnoreError();
    ASSERT_FALSE(writer_->failure().ok());
    EXPECT_FALSE(writer_->record_open());
    EXPECT_EQ(writer_->AppendPart(Bytes(text).subspan(0, 1)).status(), writer_->failure());
    EXPECT_EQ(writer_->EndRecord().status(), writer_->failure());
    EXPECT_EQ(writer_->BeginRecord(1), writer_->failure());
    writer_->CancelRecord();
    writer_->CheckInvariants();
    io.error = 0;
    EXPECT_EQ(writer_->Close(), writer_->failure());
    writer_.reset();
    io_.reset();
    EXPECT_EQ(ReadBack(), written_);
  }
}

// It waits for buffers, but not for ever.
TEST_F(StreamingAppendTest, FailureInsideALargeAppendIsReturned) {
  for (const int error : {EIO, ENOSPC}) {
    auto failing = std::make_unique<FailingWrites>(NewIo());
    FailingWrites& io = *failing;
    io_ = std::move(failing);
    Open();
    while (writer_->stats().segments_ready < 3) Turn();
    io.error = error;
    const absl::Status appended = writer_->Append(Bytes(Text(100'000, 'e'))).status();
    EXPECT_FALSE(writer_->failure().ok());
    EXPECT_EQ(appended, writer_->failure());
    io.error = 0;
    writer_->Close().IgnoreError();
    writer_.reset();
    io_.reset();
    EXPECT_EQ(ReadBack(), written_);
  }
}

TEST_F(StreamingAppendTest, LogDoesNotSealInsideAnOpenRecordAndHasNothingToDoThen) {
  ManualClock clock;
  clock_ = &clock;
  options_.seal_after_us = 1000;
  for (const uint64_t given : {0, 5000, 50'000}) {
    Open();
    Put("before");
    Begin(100'000);
    AppendParts(Text(100'000, 'i').substr(0, given), 5000);
    for (int turns = 0; turns < 20; ++turns) {
      clock.Advance(10'000'000);
      ASSERT_TRUE(writer_->Poll().ok());
    }
    EXPECT_EQ(writer_->stats().seals, 0u);
    EXPECT_EQ(writer_->next_timer(), kNever);
    EXPECT_EQ(writer_->written(), writer_->submitted());
    writer_->CancelRecord();
    for (int turns = 0; turns < 20; ++turns) {
      clock.Advance(10'000'000);
      ASSERT_TRUE(writer_->Poll().ok());
    }
    EXPECT_EQ(writer_->stats().seals, given == 50'000 ? 0u : 1u);
    EXPECT_EQ(writer_->next_timer(), kNever);
    Put("behind");
    for (int turns = 0; turns < 20; ++turns) {
      clock.Advance(10'000'000);
      ASSERT_TRUE(writer_->Poll().ok());
    }
    EXPECT_GT(writer_->stats().seals, 0u);
    Close();
    EXPECT_EQ(ReadBack(), written_);
  }
}

TEST_F(StreamingAppendTest, WithTooManyCallbacksWaitingTheRecordStaysOpen) {
  options_.callbacks_max = 1;
  Open();
  int called = 0;
  ASSERT_TRUE(writer_->Append(Bytes("before"), {}, [&](auto) { ++called; }).ok());
  Begin(10);
  AppendParts("0123456789", 4);
  EXPECT_TRUE(absl::IsResourceExhausted(writer_->EndRecord([&](auto) { ++called; }).status()));
  EXPECT_TRUE(writer_->record_open());
  while (called == 0) Turn();
  ASSERT_TRUE(writer_->EndRecord([&](auto) { ++called; }).ok());
  SyncAll();
  writer_->Poll().IgnoreError();
  EXPECT_EQ(called, 2);
  Close();
  EXPECT_EQ(ReadBack(), (std::vector<std::string>{"before", "0123456789"}));
}

}  // namespace
}  // namespace corewal
