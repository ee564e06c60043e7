// engine/engine.h: the public face of corewal. N logs on N shards, appended to from any thread.
//
//   auto engine = corewal::Engine::Open({.directory = "data/log", .shards = 2});
//   auto replay = (*engine)->Replay(ShardId{0});             // what survived, in order
//   while ((*replay)->Next(&record)) Apply(record.payload);
//   auto appended = (*engine)->Append(ShardId{0}, bytes);    // from any thread
//   absl::StatusOr<Lsn> lsn = appended->Wait();              // OK: durable, and all before it
//
// Order is per shard: of two appends to one shard, the one accepted first has the lower LSN, and is
// durable no later. Across shards nothing is promised here.
//
// Thread: any, except where a method says otherwise. Open, Close and destruction: one at a time.
// After fork(2) the child's calls are FailedPrecondition, and the parent goes on undisturbed.
// Failure: a shard whose write or sync failed is failed for good; its callers get the first cause,
// other shards go on. Close and reopen to recover.
#ifndef COREWAL_ENGINE_ENGINE_H_
#define COREWAL_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/append_future.h"
#include "engine/shard.h"
#include "io_backend/storage_io_factory.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"
#include "wal/sync_method.h"

namespace corewal {

struct EngineOptions {
  std::string directory;  // created if missing; one log, one lock
  uint32_t shards = 1;    // 1 .. 1024; may differ from the last opening
  // kEngine: a thread per shard. kHost: the caller's threads run the shards, see AttachShard.
  enum class Threads : uint8_t { kEngine, kHost } threads = Threads::kEngine;
  bool pin_threads = false;  // shard i to the i-th CPU this process may use, round robin

  ShardOptions shard;  // the same for every shard
  RecoveryMode recovery = RecoveryMode::kStrict;
};

// Replays one shard's records as they were when the engine was opened.
class ShardReplay {
 public:
  // False: no more; status() tells whether the end is a good one.
  bool Next(RecordView* record) { return reader_->Next(record); }
  // OK: all that survived was handed out. DataLoss: damage, with file and offset.
  absl::Status status() const { return reader_->end().ToStatus(); }
  const LogReader& reader() const { return *reader_; }

 private:
  friend class Engine;
  ShardReplay(std::unique_ptr<StorageIo> io, std::unique_ptr<LogReader> reader)
      : io_(std::move(io)), reader_(std::move(reader)) {}
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogReader> reader_;
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

  // Hands `payload` (copied; 0 .. 1 GiB) to the shard. The future is ready when it is durable.
  // ResourceExhausted: the mailbox is full, nothing was appended; retry. Also returned by the
  // future, when the shard cannot append (disk full). FailedPrecondition: closed.
  absl::StatusOr<AppendFuture> Append(ShardId shard, absl::Span<const std::byte> payload,
                                      const AppendOptions& options = {});
  // The same, answering by callback, which runs on the shard's thread in LSN order; it must not
  // block and may append.
  absl::Status Append(ShardId shard, absl::Span<const std::byte> payload,
                      const AppendOptions& options, AppendCallback on_done);
  // The same without an answer: watch durable_lsn(). What the shard cannot append later (disk full,
  // failed) is dropped without a word.
  absl::Status Post(ShardId shard, absl::Span<const std::byte> payload,
                    const AppendOptions& options = {});

  // Every record with an LSN below it is durable. Lock-free.
  Lsn durable_lsn(ShardId shard) const;

  // What had survived when the engine was opened, from the first record with lsn >= from; also for
  // shards that exist on disk beyond `shards`. Blocking reads on the caller's thread.
  absl::StatusOr<std::unique_ptr<ShardReplay>> Replay(ShardId shard, Lsn from = {}) const;
  // Every shard found on disk or opened, ascending.
  std::vector<ShardId> shards_on_disk() const;
  const LogEndReport& recovered_end(ShardId shard) const;

  // Threads::kHost only: makes the calling thread run `shard`. The Shard lives until Close() and is
  // used from this thread alone; Append() from other threads reaches it through its Poll().
  // FailedPrecondition: kEngine, or attached already.
  absl::StatusOr<Shard*> AttachShard(ShardId shard);

  // Gives up all segments that hold only records below `lsn`. Waits for the shard's thread. Files
  // that wait to be reused come back if the process dies before that: replay from your own place.
  // FailedPrecondition: beyond what is durable, closed, or no thread runs the shard.
  absl::Status TruncateBefore(ShardId shard, Lsn lsn);

  ShardInfo info(ShardId shard) const;  // settings in effect, counters; a snapshot
  const LogUuid& uuid() const;

  // Makes everything accepted durable, answers it, seals the logs and ends the threads; the first
  // cause if any shard had failed. May run beside appends: those that come too late are refused
  // (FailedPrecondition). Idempotent. Attached shards are closed by their own Close() first, or
  // here if this is their thread. FailedPrecondition: one is not, and nothing was closed.
  absl::Status Close();

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_H_
