// The part of LogWriter that runs between appends: completions, watermarks, syncs, seals,
// callbacks.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errno_status.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/log_writer.h"

namespace corewal {

absl::Status LogWriter::Poll() {
  Advance();
  RunCallbacks();
  if (failure_.ok()) SubmitPartialBatch();  // of what callbacks have appended
  FailUnlessTransient(io_.Submit());
  return failure_;
}

void LogWriter::FailUnlessTransient(absl::Status submitted) {
  if (!submitted.ok() && !absl::IsUnavailable(submitted)) Fail(std::move(submitted));
}

// One system call a turn: what may go is staged first, so that the call that sleeps also hands it
// over and brings what has completed.
absl::Status LogWriter::Wait(MonotonicNs deadline) {
  const uint64_t before = progress_;
  Stage();
  RunCallbacks();
  if (progress_ == before) {
    const MonotonicNs until = std::min(deadline, next_timer());
    if (io_.in_flight() > 0) {
      FailUnlessTransient(io_.Wait(1, until));
    } else if (failure_.ok() && until != kNever) {
      clock_.SleepUntil(until);
    }
  } else {
    FailUnlessTransient(io_.Submit());
  }
  Advance();
  RunCallbacks();
  return failure_;
}

absl::Status LogWriter::WaitDurable() {
  if (builder_.open() && builder_.empty() && !record_.open()) builder_.Close(log_end_);
  const Lsn target = appended();
  if (durable_ < target) WantAllDurable();
  while (failure_.ok() && durable_ < target) Wait(kNever).IgnoreError();
  return failure_;
}

// One turn: first what the kernel has finished, then what that makes possible.
void LogWriter::Advance() {
  Reap();
  Stage();
}

void LogWriter::Stage() {
  if (!failure_.ok()) return;
  StartSync();
  SubmitPartialBatch();
  SealIfIdle();
  RetireSegments();
  preparer_.Step(clock_.Now());
  stats_.segments_prepared = preparer_.segments_prepared();
  stats_.prepared_bytes = preparer_.prepared_bytes();
  stats_.segments_ready = preparer_.ready_count();
}

void LogWriter::Reap() {
  for (;;) {
    const size_t n = io_.Poll(absl::MakeSpan(reaped_));
    for (size_t i = 0; i < n; ++i) {
      Completion& completion = reaped_[i];
      ++progress_;
      switch (TagKind(completion.tag)) {
        case kTagBatch:
          OnBatchWritten(completion);
          break;
        case kTagSync:
          OnSynced(completion);
          break;
        case kTagSeal:
          OnSealWritten(completion);
          break;
        case kTagCursors:
          cursors_waiting_ = false;
          cursors_errno_ = completion.error;
          break;
        case kTagPreparer:
          preparer_.OnCompletion(completion, clock_.Now());
          break;
      }
      completion.buffer.Return();
    }
    if (n < reaped_.size()) return;
  }
}

void LogWriter::OnBatchWritten(const Completion& completion) {
  if (SyncsBeforeCqe()) {
    return completion.ok() ? void() : Fail(ErrnoStatus(completion.error, "write", "a batch"));
  }
  const QueuedBatch& batch = queue_.Complete(TagValue(completion.tag));
  if (!completion.ok()) {
    // The batch stays in the queue, so that `written` never passes it.
    const ActiveSegment& segment = SegmentOf(batch.begin);
    return Fail(
        ErrnoStatus(completion.error, "write", segment.path,
                    {.offset = batch.begin - segment.base, .length = batch.end - batch.begin}));
  }
  if (!failure_.ok()) return;
  QueuedBatch written;
  while (queue_.PopWritten(&written)) {
    const bool all_before_durable = durable_ == written_;
    written_ = written.end;
    written_safe_ = written.safe_end;
    if (!written.dsync) continue;
    CHECK(all_before_durable) << DebugString();
    PublishDurable(written_, written_safe_);
  }
  if (Mutated(Mutation::kWrittenWithGaps)) {
    written_ = std::max(written_, batch.end);
    written_safe_ = std::max(written_safe_, batch.safe_end);
  }
}

#ifdef COREWAL_MUTATIONS
// Nothing to break where the write itself is the sync.
bool LogWriter::SyncsBeforeCqe() const {
  return Mutated(Mutation::kSyncBeforeCqe) && options_.sync_method != SyncMethod::kDsync;
}

bool LogWriter::MayRetrySync() { return ++sync_retries_ <= 2; }

void LogWriter::TakeForWritten(uint32_t index) {
  queue_.Complete(index);
  QueuedBatch written;
  while (queue_.PopWritten(&written)) {
    submitted_ = written_ = written.end;
    written_safe_ = written.safe_end;
  }
}
#endif

void LogWriter::OnSynced(const Completion& completion) {
  CHECK_GT(sync_.outstanding, 0u);
  --sync_.outstanding;
  if (!completion.ok() && Mutated(Mutation::kRetryAfterFailedSync) && MayRetrySync()) return;
  if (!completion.ok() && !Mutated(Mutation::kSyncResultIgnored)) {
    return Fail(ErrnoStatus(completion.error, "fdatasync", active_.front().path));
  }
  if (sync_.outstanding == 0 && failure_.ok()) PublishDurable(sync_.promise, sync_.safe_promise);
}

void LogWriter::PublishDurable(Lsn durable, Lsn safe) {
  CHECK_GE(durable, durable_);
  CHECK_LE(durable, written_);
  durable_ = durable;
  if (Mutated(Mutation::kRecordAckedByFirstPiece)) safe = durable;
  published_durable_ = std::max(published_durable_, safe);
}

// R1: the promise is `written` as it stands now, every batch of which has had its completion
// polled.
void LogWriter::StartSync() {
  if (sync_.outstanding > 0 || written_ == durable_) return;
  // Each segment that is not durable holds a place in the storage's table of files.
  const bool many_segments = active_.size() > kActiveSegmentsMax && active_.front().end <= written_;
  if (want_durable_ <= durable_ && !many_segments) return;
  const bool more_under_way = !queue_.empty();
  if (more_under_way && !many_segments && written_ - durable_ < options_.sync_bytes_max) return;
  sync_.promise = written_;
  sync_.safe_promise = written_safe_;
  Lsn covered, covered_safe;
  for (const ActiveSegment& segment : active_) {
    if (segment.end <= durable_ || segment.base >= written_) continue;
    if (sync_.outstanding == kSyncsMax) {
      // The queue need not hold more: the promise ends with the segments covered so far.
      sync_.promise = covered;
      sync_.safe_promise = covered_safe;
      break;
    }
    const bool newest = segment.sequence == active_.back().sequence;
    if (!newest && active_.back().end > active_.back().base &&
        Mutated(Mutation::kNewestSegmentSyncedOnly)) {
      continue;
    }
    covered = segment.end;
    covered_safe = segment.safe_end;
    const absl::Status staged = io_.Sync({.file = segment.file, .tag = kTagSync}).status();
    if (!staged.ok()) return Fail(staged);
    ++sync_.outstanding;
    ++stats_.syncs;
  }
  CHECK_GT(sync_.outstanding, 0u) << DebugString();
}

// Greedy group commit: while a write or a sync is in flight records gather; the next batch goes out
// at once when it is done.
void LogWriter::SubmitPartialBatch() {
  if (!builder_.open() || builder_.empty() || reserving_) return;
  if (seal_in_flight_ && !Mutated(Mutation::kSealNotAwaited)) return;
  if (std::max(want_written_, want_durable_) <= submitted_) return;
  if (!queue_.empty() || sync_.outstanding > 0) return;
  if (options_.sync_delay_us_max > 0 &&
      clock_.Now() < batch_opened_at_ + MonotonicNs{options_.sync_delay_us_max} * 1000) {
    return;
  }
  CloseBatch();
}

bool LogWriter::Quiet() const {
  return queue_.empty() && sync_.outstanding == 0 && !seal_in_flight_ &&
         (!builder_.open() || builder_.empty());
}

// An idle log makes its last records durable by itself and then says so on disk.
void LogWriter::SealIfIdle() {
  if (sealed_ && (!builder_.open() || builder_.empty())) return;
  const MonotonicNs now = clock_.Now();
  if (builder_.end() != idle_checked_ || !queue_.empty() || sync_.outstanding > 0) {
    idle_checked_ = builder_.end();
    active_at_ = now;
    return;
  }
  if (seal_in_flight_ || reserving_) return;
  const bool early = Mutated(Mutation::kSealBetweenPieces) && published_durable_ != durable_;
  if (now < active_at_ + MonotonicNs{options_.seal_after_us} * 1000 && !early) return;
  active_at_ = now;
  // Never inside a record that spans batches: its next piece may come in the next segment, and if
  // that is lost in a crash, the seal would stand for the end of a log that breaks off in a record.
  const bool whole_records = record_.state() == RecordStream::State::kNone ||
                             (!builder_.piece_open() && Mutated(Mutation::kSealBetweenPieces));
  if (Quiet() && durable_ == log_end_) {
    // A reservation taken back has left a segment without header, where no seal may stand.
    if (whole_records && !header_pending_) return StageSeal();
    sealed_ = true;
    return;
  }
  WantAllDurable();
}

// A seal is a batch without records where the next batch will stand. Nothing in it is ever
// acknowledged, so that batch may overwrite it, as soon as the seal's own write has completed.
void LogWriter::StageSeal() {
  CHECK(Quiet() && !active_.empty() && !header_pending_) << DebugString();
  builder_.Close(log_end_);
  absl::StatusOr<BufferLease> buffer = io_.AcquireBuffer();
  if (!buffer.ok()) return;  // later
  BatchBuilder seal;
  seal.Start(*std::move(buffer), 0, log_end_, kBlockBytes);
  BatchHeader header = NextBatchHeader();
  header.flags = kBatchFlagSeal;
  BatchBuilder::Finished batch = seal.Finish(header);
  const ActiveSegment& segment = active_.back();
  const absl::Status staged = io_.Write({.file = segment.file,
                                         .offset = FileOffset(batch.begin - segment.base),
                                         .length = batch.bytes,
                                         .tag = kTagSeal},
                                        std::move(batch.buffer))
                                  .status();
  if (!staged.ok()) return Fail(staged);
  seal_in_flight_ = true;
  sealed_ = true;
  ++stats_.seals;
}

void LogWriter::OnSealWritten(const Completion& completion) {
  CHECK(seal_in_flight_);
  seal_in_flight_ = false;
  if (!completion.ok()) {
    Fail(ErrnoStatus(completion.error, "write of the seal", active_.back().path,
                     {.offset = log_end_ - active_.back().base, .length = kBlockBytes}));
  }
}

// A segment that is full and durable needs its file no more.
void LogWriter::RetireSegments() {
  while (active_.size() > 1 && active_.front().end <= durable_) {
    if (absl::Status closed = io_.UnregisterFile(active_.front().file); !closed.ok()) {
      return Fail(std::move(closed));
    }
    active_.pop_front();
  }
}

MonotonicNs LogWriter::next_timer() const {
  if (!failure_.ok()) return kNever;
  MonotonicNs timer = preparer_.next_timer();
  const bool open = builder_.open() && !builder_.empty();
  if ((!sealed_ || open) && !seal_in_flight_) {
    timer = std::min(timer, active_at_ + MonotonicNs{options_.seal_after_us} * 1000);
  }
  // As SubmitPartialBatch has it: a time that is past, with nothing to do then, makes callers spin.
  const bool wanted = std::max(want_written_, want_durable_) > submitted_;
  if (open && wanted && options_.sync_delay_us_max > 0 && queue_.empty() &&
      sync_.outstanding == 0 && !seal_in_flight_) {
    timer = std::min(timer, batch_opened_at_ + MonotonicNs{options_.sync_delay_us_max} * 1000);
  }
  return timer;
}

void LogWriter::RunCallbacks() {
  CHECK(!in_callback_) << "Poll or Wait called from a callback";
  in_callback_ = true;
  bool any = false;
  while (!callbacks_.empty()) {
    const CallbackQueue::Entry& front = callbacks_.front();
    const Lsn durable = Mutated(Mutation::kAckedWhenSubmitted) ? submitted_ : published_durable_;
    const bool reached =
        front.durability == Durability::kAppended ||
        front.lsn < (front.durability == Durability::kDurable ? durable : written_safe_);
    if (!reached && failure_.ok()) break;
    CallbackQueue::Entry entry = callbacks_.Pop();
    if (Mutated(Mutation::kCallbackOutOfOrder) && reached && !callbacks_.empty() &&
        callbacks_.front().lsn < durable) {
      CallbackQueue::Entry next = callbacks_.Pop();
      next.on_done(next.lsn);
    }
    ++progress_;
    any = true;
    if (reached) {
      entry.on_done(entry.lsn);
    } else {
      entry.on_done(failure_);
    }
  }
  if (any && options_.after_callbacks) options_.after_callbacks();
  in_callback_ = false;
}

absl::Status LogWriter::DrainInFlight() {
  while (io_.in_flight() > 0) {
    const absl::Status waited = io_.Wait(1, kNever);
    if (!waited.ok() && !absl::IsUnavailable(waited)) return waited;
    Reap();
  }
  return absl::OkStatus();
}

}  // namespace corewal
