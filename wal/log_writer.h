// wal/log_writer.h: turns caller bytes into framed records and tracks their durability.
//
// One per shard. Bytes only move right:
//
//   Append -> batch in a registered buffer -> write in flight -> written -> synced -> callbacks
//             appended                        submitted          written    durable
//
// Invariants (checked by CheckInvariants()):
//   I1  durable <= written <= submitted <= appended
//   I2  a datasync promises exactly the `written` captured when it was staged, or the end of an
//       earlier segment; it is staged only after the completions of those writes were polled
//       (DESIGN R1). A DSYNC write promises itself, and is submitted only when all before it is
//       durable
//   I3  a block at or below `submitted` is never written again
//   I4  batches become written in any order, but `written` moves over the contiguous prefix only
//   I5  callbacks run in LSN order, each once, inside Poll or Wait, never inside Append
//   I6  no segment that a valid cursor needs is given up; the cursors in memory are those on disk
//   I7  while a record is open nothing else is appended and no seal is written; behind pieces of a
//       record that was given up the log goes on in a new segment of the next incarnation
// Thread: that of `io` only.
// Failure: the first write or sync error is final; later calls return it unchanged. Nothing is
// retried: after a failed sync a second one may lie. Close and recover.
#ifndef COREWAL_WAL_LOG_WRITER_H_
#define COREWAL_WAL_LOG_WRITER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/batch_builder.h"
#include "wal/batch_queue.h"
#include "wal/callback_queue.h"
#include "wal/cursor_set.h"
#include "wal/format.h"
#include "wal/lsn.h"
#include "wal/record_stream.h"
#include "wal/recovery.h"
#include "wal/segment_preparer.h"
#include "wal/sync_method.h"

namespace corewal {

struct AppendOptions {
  Durability durability = Durability::kDurable;
  RecordType type = RecordType::kUser;  // the user's types: 0 .. 127
};

struct LogWriterOptions {
  std::string directory;  // of this shard; exists
  LogUuid uuid;
  ShardId shard{};
  DirectMode direct = DirectMode::kAuto;
  SyncMethod sync_method = SyncMethod::kDatasync;  // not kAuto: probe first
  uint64_t segment_bytes = 64ull << 20;            // a multiple of 4096
  uint32_t segments_ready = 2;                     // prepared ahead, 1 .. 64
  uint32_t segments_first = 0;     // this many before the first append, if more; 0 .. 1024
  uint32_t sync_delay_us_max = 0;  // hold a partial batch this long for company
  // Datasync when this much is written and more is under way. Twice as much may be submitted and
  // not be durable, if that is asked for: a disk that is given more while it syncs does not end.
  uint64_t sync_bytes_max = 8u << 20;
  // In flight at once, and one batch more. More than keeps the disk busy only fills its queue, and
  // caches with buffers that are not being used.
  uint64_t write_bytes_max = 3u << 20;
  uint32_t seal_after_us = 20'000;    // an idle log writes its seal after this long
  uint64_t log_bytes_max = 0;         // of all segment files; at least two segments; 0: no limit
  uint64_t cursor_lag_bytes_max = 0;  // more than this no cursor holds back; 0: no limit
  uint32_t callbacks_max = 16384;     // appends with a callback that are not answered yet
  // Called when callbacks have run, before anything else is done or waited for. May be empty.
  std::function<void()> after_callbacks = nullptr;
  // Lower half of the incarnation. Unset: from the kernel, as it must be outside of simulations.
  std::optional<uint32_t> incarnation_random = {};
};

struct LogWriterStats {
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  uint64_t batches = 0;  // with records; seals are counted apart
  uint64_t seals = 0;
  uint64_t batch_bytes = 0;  // written to the log: headers, framing and padding included
  uint64_t padding_bytes = 0;
  uint64_t syncs = 0;   // datasyncs, or DSYNC writes
  uint64_t rolls = 0;   // segments started
  uint64_t stalls = 0;  // appends refused: no buffer, no segment, the device behind
  uint64_t segments_prepared = 0;
  uint64_t segments_ready = 0;  // prepared and not started, now
  uint64_t prepared_bytes = 0;  // zeros written ahead
};

class LogWriter {
 public:
  // `recovered` is what RecoverLog found in options.directory. Makes the recovered tail durable,
  // removes what lies beyond it, and prepares the first segment; writes no batch: the log's new
  // segment starts with the first append. `files`, `io` and `clock` must outlive the writer.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Open(FileSystem& files, StorageIo& io,
                                                         const Clock& clock,
                                                         const LogWriterOptions& options,
                                                         const RecoveredLog& recovered);
  ~LogWriter();

  // Copies `payload` (at most 1 GiB) into the open batch. One of more than reserve_bytes_max() is
  // copied over as many batches as it takes, and this waits for buffers then.
  // ResourceExhausted: no buffer free, the device behind, not the segments ready that it takes, or
  // too many callbacks wait; nothing was appended; retry after Poll. InvalidArgument: too large, or
  // a type that is not the user's. FailedPrecondition: closed, or a record is open (BeginRecord).
  absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload,
                             const AppendOptions& options = {}) {
    // The common case: room in the open batch. Everything else is out of line.
    if (__builtin_expect(builder_.Fits(payload.size()) && IsUserType(options.type), 1)) {
      const Lsn lsn = builder_.Append(payload, options.type);
      Want(options.durability);
      return lsn;
    }
    return AppendSlow(payload, options);
  }
  absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload, const AppendOptions& options,
                             AppendCallback on_done);
  // A record of corewal's own (options.type 128 and up), for the engine; else as Append.
  absl::StatusOr<Lsn> AppendControl(absl::Span<const std::byte> payload,
                                    const AppendOptions& options, AppendCallback on_done);
  // All or none, contiguous in the log (not atomic over a crash); the LSN is the first record's.
  absl::StatusOr<Lsn> AppendBatch(absl::Span<const absl::Span<const std::byte>> payloads,
                                  const AppendOptions& options = {});

  // Encodes in place: `bytes` of the registered buffer, to be filled before anything else is called
  // here. Commit makes the first `bytes_used` of them the record; Cancel forgets them.
  // InvalidArgument: more than reserve_bytes_max().
  absl::StatusOr<absl::Span<std::byte>> Reserve(uint32_t bytes);
  Lsn Commit(uint32_t bytes_used, const AppendOptions& options = {});
  void Cancel();
  uint32_t reserve_bytes_max() const;

  // A record of `bytes` (0 to 1 GiB) in parts, for what is not in memory at once:
  //
  //   BeginRecord(bytes)   AppendPart(part) ...   EndRecord() | CancelRecord()
  //
  // Not more of it is held than one buffer and those on their way to the disk. Poll and Wait may be
  // called in between, and everything else that does not append; appends are refused with
  // FailedPrecondition until the record has been ended. It may stay open for as long as its parts
  // take, and keeps nothing from becoming durable that was appended before. It is in the log, or
  // not, as any record: if the process ends before EndRecord, or if it never becomes durable,
  // nobody is handed it as a whole.
  // Errors are those of Append. After a failure, or Close, no record is open.
  absl::Status BeginRecord(uint64_t bytes, const AppendOptions& options = {});
  // Copies the first bytes of `part`, as many as there is room for, and returns how many; all of it
  // unless buffers or segments run out. ResourceExhausted: nothing of `part` was taken; retry after
  // Poll or Wait. InvalidArgument: more than is missing; nothing was taken.
  absl::StatusOr<uint64_t> AppendPart(absl::Span<const std::byte> part);
  // The record's LSN. FailedPrecondition: parts are missing. ResourceExhausted: too many callbacks
  // wait. The record stays open then.
  absl::StatusOr<Lsn> EndRecord();
  absl::StatusOr<Lsn> EndRecord(AppendCallback on_done);
  // Gives the open record up, if there is one: readers pass over what of it is in the log. If some
  // is, the next append begins a new segment.
  void CancelRecord();
  bool record_open() const { return record_.open(); }

  // Reaps completions, moves the watermarks, submits what may go, runs callbacks, prepares
  // segments. Never waits for the device (io_uring; posix does its I/O here).
  absl::Status Poll();
  // Poll; if that moved nothing, sleeps until a completion, a timer or `deadline`, and Polls again.
  absl::Status Wait(MonotonicNs deadline);
  // Waits until everything appended is durable.
  absl::Status WaitDurable();
  // Makes everything durable, writes a seal, gives files back. Idempotent; after a failure it
  // returns the cause and writes nothing. An open record is cancelled; if some of it is in the log
  // and nothing behind it, there is no seal.
  absl::Status Close();

  // Gives up segments that hold only records below `lsn` and below every cursor: they are recycled
  // or removed. A cursor that stands in the way and lags by more than cursor_lag_bytes_max behind
  // durable() is invalidated first. FailedPrecondition: `lsn` is beyond durable().
  absl::Status TruncateBefore(Lsn lsn);

  // Named cursors (wal/cursor_set.h): a cursor keeps what is at and behind its LSN from being
  // truncated, over reopenings too. Durable when these return; they wait for the device (a block
  // and a datasync), but need no space on it once the shard has had its first cursor. Not from a
  // callback. OutOfRange: the log does not reach back to `lsn`. FailedPrecondition: it is beyond
  // durable(). ResourceExhausted: too many, or no space for the first. Setting one that was
  // invalidated makes it valid again. After a failed write or sync, and if the file was damaged
  // (DataLoss), these and TruncateBefore return that until the log is reopened.
  absl::Status SetCursor(absl::string_view name, Lsn lsn);
  absl::Status RemoveCursor(absl::string_view name);  // NotFound: there is none
  const std::vector<LogCursor>& cursors() const { return cursors_.cursors(); }

  // Where the log begins: what is before it has been truncated (its bytes may still be there, in a
  // file that waits to be reused). 0: nothing was ever appended.
  Lsn oldest() const { return live_.empty() ? Lsn() : std::max(live_.front().base, truncated_to_); }
  // Of all segment files of the shard, prepared and recycled ones included.
  uint64_t log_bytes() const;

  // A record is durable when its LSN is below durable(). The others likewise. Each is the end of a
  // batch, or, inside a record that spans batches, that record's beginning. Of a record that is
  // open, appended() and submitted() count what was submitted.
  Lsn appended() const { return record_.open() ? log_end_ : builder_.end(); }
  Lsn submitted() const { return submitted_; }
  Lsn written() const { return written_; }
  Lsn durable() const { return published_durable_; }
  // When the writer has something to do by itself; kNever: only completions move it.
  MonotonicNs next_timer() const;

  const absl::Status& failure() const { return failure_; }
  // Why no more segments can be prepared just now (disk full); OK if they can. Appends go on as
  // long as prepared segments last.
  const absl::Status& preparing_stall() const { return preparer_.stall(); }
  const LogWriterStats& stats() const { return stats_; }
  const LogWriterOptions& options() const { return options_; }
  bool direct() const { return direct_; }
  Incarnation incarnation() const { return incarnation_; }
  void set_epoch(Epoch epoch) { epoch_ = epoch; }

  void CheckInvariants() const;
  std::string DebugString() const;

 private:
  // A segment that has started in this opening, or is the one being filled.
  struct ActiveSegment {
    uint64_t sequence = 0;
    uint64_t previous_sequence = 0;
    std::string path;
    FileHandle file;
    Lsn base;
    Lsn end;       // behind its last closed batch
    Lsn safe_end;  // of that batch: as in BatchBuilder::Finished
  };
  // A started segment of the log, whose records TruncateBefore may give up.
  struct LiveSegment {
    std::string path;
    Lsn base;
    uint64_t segment_bytes = 0;
    uint64_t file_bytes = 0;
    bool whole_file = false;  // not trimmed: fit to be recycled
  };
  // What the datasyncs in flight, one per segment touched, promise together (I2).
  struct SyncInFlight {
    uint32_t outstanding = 0;  // 0: none
    Lsn promise;
    Lsn safe_promise;
  };
  static constexpr uint32_t kSyncsMax = 2;         // in flight: the queue has places for them
  static constexpr size_t kActiveSegmentsMax = 4;  // beyond it datasync although nobody waits
  // The low bits of an operation's tag; above them a batch's index in the queue.
  enum Tag : uint64_t {
    kTagBatch = 0,
    kTagSync = 1,
    kTagPreparer = 2,
    kTagSeal = 3,
    kTagCursors = 4
  };
  static constexpr uint32_t kTagBits = 3;
  static constexpr uint64_t MakeTag(Tag kind, uint64_t value) { return value << kTagBits | kind; }
  static constexpr Tag TagKind(uint64_t tag) {
    return static_cast<Tag>(tag & ((1u << kTagBits) - 1));
  }
  static constexpr uint32_t TagValue(uint64_t tag) {
    return static_cast<uint32_t>(tag >> kTagBits);
  }

  LogWriter(FileSystem& files, StorageIo& io, const Clock& clock, const LogWriterOptions& options,
            const RecoveredLog& recovered);
  absl::Status AdoptRecovered(const RecoveredLog& recovered);
  absl::Status MakeTailDurable(const RecoveredLog& recovered);

  void Want(Durability durability) {
    if (durability == Durability::kDurable) want_durable_ = builder_.end();
    if (durability != Durability::kAppended) want_written_ = builder_.end();
  }
  absl::StatusOr<Lsn> AppendSlow(absl::Span<const std::byte> payload, const AppendOptions& options);
  void WantAllDurable() { want_durable_ = std::max(want_durable_, appended()); }
  // log_writer_record.cc
  static constexpr uint32_t kPieceBytesMin = kFirstPieceExtraBytes + kBlockBytes / 2;
  absl::StatusOr<Lsn> AppendLarge(absl::Span<const std::byte> payload,
                                  const AppendOptions& options);
  absl::Status CheckRecordOpen() const;
  absl::Status OpenRecord(uint64_t bytes, const AppendOptions& options);
  absl::Status MakeRoomForPart();
  absl::Status SubmitPiece();
  void LeaveRecordGivenUp();
  absl::Status CheckSegmentsReadyFor(uint64_t payload_bytes);
  Incarnation IncarnationAfter(Incarnation last) const;
  absl::Status NumbersUsedUp(const std::string& path) const;
  absl::Status CheckAppendable(uint64_t bytes) const;
  absl::Status CheckUserType(RecordType type) const;
  absl::StatusOr<Lsn> AppendOfAnyType(absl::Span<const std::byte> payload,
                                      const AppendOptions& options);
  absl::Status MakeRoom(uint64_t payload_bytes);  // closes the open batch, opens the next
  bool DeviceIsBehind() const;
  absl::Status OpenBatch(uint64_t payload_bytes);
  absl::Status StartSegment();
  uint64_t SegmentRoom() const;  // bytes left for batches, a seal's block kept free
  void CloseBatch();
  bool NextWriteIsDsync() const;
  BatchHeader NextBatchHeader() const;
  void EncodeHeaderOfNewSegment();
  // Why an append was refused for now.
  enum class Stall : uint8_t { kCallbacks, kSeal, kBuffers, kSegment, kDevice };
  absl::Status Stalled(Stall why);

  void Advance();
  void Reap();
  void Stage();  // what may go now
  void OnBatchWritten(const Completion& completion);
  void OnSynced(const Completion& completion);
#ifdef COREWAL_MUTATIONS
  bool SyncsBeforeCqe() const;
  void TakeForWritten(uint32_t index);
  bool MayRetrySync();
  uint32_t sync_retries_ = 0;
  absl::Status GoOnBehindTornTail(const RecoveredLog& recovered);
#else
  static constexpr bool SyncsBeforeCqe() { return false; }
  void TakeForWritten(uint32_t) {}
  bool MayRetrySync() { return false; }
  absl::Status GoOnBehindTornTail(const RecoveredLog&) { return absl::OkStatus(); }
#endif
  void OnSealWritten(const Completion& completion);
  void PublishDurable(Lsn durable, Lsn safe);
  void SubmitPartialBatch();
  void StartSync();
  void SealIfIdle();
  void StageSeal();
  void RetireSegments();
  void RunCallbacks();
  void Fail(absl::Status why);
  // Unavailable: the kernel takes no more for now; what it did not take stays queued.
  void FailUnlessTransient(absl::Status submitted);
  const ActiveSegment& SegmentOf(Lsn lsn) const;
  absl::Status DrainInFlight();

  // log_writer_retention.cc
  absl::Status AdoptCursors();
  absl::Status CheckRetention(absl::string_view what, Lsn lsn) const;
  absl::Status InvalidateLaggards(Lsn lsn);
  absl::Status StoreCursors(CursorSet next);
  absl::Status WriteCursorSlot(const std::string& path, const CursorSet& next);
  absl::Status OverwriteSlot(FileHandle file, const std::string& path, const CursorSet& next);
  absl::Status WaitForCursors(const char* call, const std::string& path, uint64_t offset);
  absl::Status WaitAndReap();
  absl::Status RoomForSegment() const;
  bool Quiet() const;  // nothing of the log in flight, nothing open

  FileSystem& files_;
  StorageIo& io_;
  const Clock& clock_;
  const LogWriterOptions options_;
  Incarnation incarnation_;
  Epoch epoch_;
  Epoch closed_epoch_;  // of the last closed batch: what a new segment's header may claim

  BatchBuilder builder_;
  RecordStream record_;
  BatchQueue queue_;
  SegmentPreparer preparer_;
  std::deque<ActiveSegment> active_;  // ascending; the last is being filled
  std::deque<LiveSegment> live_;      // ascending; the log, active ones included
  bool direct_ = false;
  uint64_t live_bytes_ = 0;  // file_bytes of live_

  Lsn truncated_to_;   // what this opening has given up: everything before
  CursorSet cursors_;  // as it is on disk
  bool cursor_file_there_ = false;
  absl::Status cursors_failure_;  // sticky: what is on disk is not known
  bool cursors_waiting_ = false;
  int cursors_errno_ = 0;

  // The next segment's header will say where the log before it ended.
  uint64_t last_sequence_ = 0;
  uint64_t last_segment_bytes_ = 0;
  Lsn last_base_;
  Lsn log_end_;                  // behind the last closed batch
  uint32_t last_crc_ = 0;        // of that batch
  bool header_pending_ = false;  // the open batch is the first of its segment

  Lsn submitted_;
  Lsn written_, written_safe_;  // batch ends; `safe` as in BatchBuilder::Finished
  Lsn durable_, published_durable_;
  Lsn want_durable_, want_written_;  // how far appends have asked
  SyncInFlight sync_;

  MonotonicNs batch_opened_at_ = 0;  // for sync_delay_us_max
  MonotonicNs active_at_ = 0;        // last append seen or batch moved: idle since
  Lsn idle_checked_;                 // appended() when active_at_ was set
  bool sealed_ = true;               // nothing to seal since the last seal, or since opening
  bool seal_in_flight_ = false;
  uint32_t reserved_bytes_ = 0;
  bool reserving_ = false;

  CallbackQueue callbacks_;
  bool in_callback_ = false;
  bool closed_ = false;
  absl::Status failure_;
  uint64_t progress_ = 0;  // completions handled; tells Wait that something moved
  LogWriterStats stats_;
  const std::array<absl::Status, 5> stalled_;  // by Stall; made once: refusals may be many
  std::array<Completion, 32> reaped_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_WRITER_H_
