// engine/engine.h: the public face of corewal. N logs on N shards, appended to from any thread.
//
//   auto engine = corewal::Engine::Open({.directory = "data/log", .shards = 2});
//   auto replay = (*engine)->Replay(ShardId{0});             // what survived, in order
//   while ((*replay)->Next(&record)) Apply(record.payload);
//   auto appended = (*engine)->Append(ShardId{0}, bytes);    // from any thread
//   absl::StatusOr<Lsn> lsn = appended->Wait();              // OK: durable, and all before it
//
// Order is per shard: of two appends here to one shard, the one accepted first has the lower LSN,
// and is durable no later. Across shards there are epochs and atomic batches; ORDERING.md says
// exactly what each promises.
//
// Thread: any, except where a method says otherwise. Open, Close and destruction: one at a time.
// Callbacks, and coroutines behind co_await, run on a shard's thread. There a call that waits is
// FailedPrecondition and does nothing: Barrier, Checkpoint, SetCursor, RemoveCursor, TruncateBefore
// of another shard, Close, a future's Wait, wait_for_room where there is none. An engine must not
// be destroyed there. All other calls work. After fork(2) the child's calls are FailedPrecondition,
// and the parent goes on undisturbed. Failure: a shard whose write or sync failed is failed for
// good; its callers get the first cause, other shards go on, epochs stop and say why. Close and
// reopen to recover.
#ifndef COREWAL_ENGINE_ENGINE_H_
#define COREWAL_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/append_future.h"
#include "engine/atomic_part.h"
#include "engine/metrics.h"
#include "engine/replay.h"
#include "engine/shard.h"
#include "engine/subscription.h"
#include "io_backend/storage_io_factory.h"
#include "wal/cursor_set.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"
#include "wal/sync_method.h"

namespace corewal {

struct EngineEnvironment;  // engine/environment.h

struct EngineOptions {
  std::string directory;  // created if missing; one log, one lock
  uint32_t shards = 1;    // 1 .. 1024; may differ from the last opening
  // kEngine: a thread per shard. kHost: the caller's threads run the shards, see AttachShard.
  enum class Threads : uint8_t { kEngine, kHost } threads = Threads::kEngine;
  bool pin_threads = false;  // shard i to the i-th CPU this process may use, round robin

  ShardOptions shard;  // the same for every shard
  RecoveryMode recovery = RecoveryMode::kStrict;
};

class Engine {
 public:
  // Locks the directory, recovers every shard found there, and starts the shards.
  // InvalidArgument: an option out of range, named. Unavailable: another process has the log open,
  // with its pid. DataLoss: acknowledged bytes are damaged (RecoveryMode::kStrict), with file,
  // offset and rule. FailedPrecondition: another log's segment, a newer format, a file in the way.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  // Closes as Close() does, ignoring its answer.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Hands `payload` (copied once; 0 .. 1 GiB) to the shard. The future is ready when it is durable.
  // ResourceExhausted: the mailbox is full, or the record is large and many such are on their way
  // (see SendOptions::wait_for_room, ShardOptions::large_bytes_max); nothing was appended; retry.
  // Also returned by the future, when the disk is full. FailedPrecondition: closed.
  absl::StatusOr<AppendFuture> Append(ShardId shard, absl::Span<const std::byte> payload,
                                      const SendOptions& options = {});
  // The same, answering by callback, which runs on the shard's thread in LSN order; it must not
  // block (see above) and may append.
  absl::Status Append(ShardId shard, absl::Span<const std::byte> payload,
                      const SendOptions& options, AppendCallback on_done);
  // The same without an answer: watch durable_lsn(). While the disk is full the shard keeps it, and
  // all behind it, and refuses new ones once the mailbox is full; what is left at Close is an error
  // of Close. After the shard failed: its failure.
  absl::Status Post(ShardId shard, absl::Span<const std::byte> payload,
                    const SendOptions& options = {});
  // Several records in one hand-over, in this order, nothing of other threads between them. One
  // answer: the last one's LSN. Not atomic over a crash: a prefix may survive.
  absl::StatusOr<AppendFuture> AppendBatch(ShardId shard,
                                           absl::Span<const absl::Span<const std::byte>> payloads,
                                           const SendOptions& options = {});
  // Records on several shards that survive a crash all or not at all; no sync more than for the
  // records alone. OK: all durable; the LSN is that of the first part, the batch's home. An error:
  // none will ever be replayed, unless a write or sync failed: then recovery decides.
  absl::StatusOr<AppendFuture> AppendAtomically(
      absl::Span<const AtomicPart> parts, absl::Duration wait_for_room = absl::ZeroDuration());

  // OK, or which failure left a batch undecided, and which shards can be truncated only so far
  // until the engine is reopened, which decides it.
  absl::Status atomic_status() const;

  // Every record with an LSN below it is durable. Lock-free.
  Lsn durable_lsn(ShardId shard) const;

  // Closes the open epoch and opens the next; returns the closed one, which becomes durable by
  // itself: every shard, also an idle one, records its end.
  absl::StatusOr<Epoch> AdvanceEpoch();
  // AdvanceEpoch, then waits: every append accepted before this call, on every shard, is durable
  // then, and the cut is recorded. DeadlineExceeded: it goes on. Not from a shard's own thread.
  absl::StatusOr<Epoch> Barrier(absl::Duration timeout = absl::InfiniteDuration());
  Epoch durable_epoch() const;        // the last one that is durable on all shards; lock-free
  absl::Status epoch_status() const;  // OK, or which shard's failure stops the epochs

  // What had survived when the engine was opened, from the first record with lsn >= from; also for
  // shards that exist on disk beyond `shards`. Blocking reads on the caller's thread.
  absl::StatusOr<std::unique_ptr<ShardReplay>> Replay(ShardId shard, Lsn from = {}) const;
  // All shards, epoch by epoch, up to the cut of `up_to` (at most recovered_epoch()); by default
  // all that survived.
  absl::StatusOr<std::unique_ptr<MergedReplay>> ReplayMerged(Epoch up_to = Epoch(UINT64_MAX)) const;
  // Every shard found on disk or opened, ascending.
  std::vector<ShardId> shards_on_disk() const;
  const LogEndReport& recovered_end(ShardId shard) const;
  Epoch recovered_epoch() const;  // the last complete one; 0: none

  // Threads::kHost only: makes the calling thread run `shard`. The Shard lives until Close() and is
  // used from this thread alone; Append() from other threads reaches it through its Poll().
  // FailedPrecondition: kEngine, or attached already.
  absl::StatusOr<Shard*> AttachShard(ShardId shard);

  // Follows the shard as it is written, from the first record with lsn >= from. Not from the
  // shard's own thread: it reads with blocking calls.
  absl::StatusOr<std::unique_ptr<Subscription>> Subscribe(ShardId shard, Lsn from = {}) const;

  // Records that the caller's own state holds all of the shard below `lsn`, with a note of the
  // caller's (where that state is, say). After a crash the last one that returned OK is found
  // again.
  absl::Status Checkpoint(ShardId shard, Lsn lsn, absl::Span<const std::byte> note = {});
  struct CheckpointFound {
    Lsn lsn;
    std::string note;
  };
  // NotFound: none.
  absl::StatusOr<CheckpointFound> recovered_checkpoint(ShardId shard) const;
  // Gives up all segments that hold only records below `lsn`. Waits for the shard's thread. What an
  // atomic batch or a cursor still needs stays until a later call. Files that wait to be reused
  // come back if the process dies before that: replay from your own place.
  // FailedPrecondition: beyond what is durable, closed, or no thread runs the shard.
  absl::Status TruncateBefore(ShardId shard, Lsn lsn);

  // Named cursors: what is at and behind `lsn` stays, through truncations and openings, until the
  // cursor moves, is removed, or lags by more than ShardOptions::cursor_lag_bytes_max when a
  // truncation wants what it holds: then it is invalidated, and setting it makes it valid again.
  // `name`: 1 to 48 letters, digits, '.', '_', '-'; at most 63 a shard. A consumer sets its cursor
  // to Subscription::position() when it has dealt with all before, and subscribes from there again.
  // Durable when these return; they wait for the shard's thread and the device (a block and a
  // sync), and may be called on that thread, outside of callbacks.
  // OutOfRange: the log does not reach back to `lsn`. FailedPrecondition: beyond what is durable,
  // closed, from a callback, or no thread runs the shard. ResourceExhausted: too many, or no space
  // for the shard's first.
  absl::Status SetCursor(ShardId shard, absl::string_view name, Lsn lsn);
  absl::Status RemoveCursor(ShardId shard, absl::string_view name);  // NotFound: there is none
  // By name. Of a shard that no thread has run yet: as they are on disk.
  absl::StatusOr<std::vector<LogCursor>> cursors(ShardId shard) const;

  ShardInfo info(ShardId shard) const;  // settings in effect, counters; a snapshot
  EngineMetrics metrics() const;        // of all shards; ToPrometheus() for a scraper
  const LogUuid& uuid() const;

  // Makes everything accepted durable, answers it, seals the logs and ends the threads; the first
  // cause if any shard had failed. May run beside appends: those that come too late are refused
  // (FailedPrecondition). Idempotent. Attached shards are closed by their own Close() first, or
  // here if this is their thread. FailedPrecondition: one is not, and nothing was closed.
  absl::Status Close();

 private:
  friend absl::StatusOr<std::unique_ptr<Engine>> OpenEngineIn(const EngineOptions& options,
                                                              const EngineEnvironment& environment);
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_H_
