// engine/shard.h: one log, run by one thread: its ring, its segments, its writer, its mailbox.
//
// A host that has a thread per core attaches a shard to it (Engine::AttachShard) and calls:
//
//   shard->Append(bytes)     straight into the registered buffer, no hand-over
//   shard->Poll()            once per turn of the host's loop: moves everything on, runs callbacks
//   shard->Wait(deadline)    instead of Poll when there is nothing else to do
//   shard->notify_fd()       readable when Poll has something to do, for hosts that sleep in epoll
//
// Thread: the one that attached it. Callbacks run inside Poll and Wait, in LSN order; there Poll,
// Wait, WaitDurable and Close of the same shard are FailedPrecondition.
#ifndef COREWAL_ENGINE_SHARD_H_
#define COREWAL_ENGINE_SHARD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "io_backend/storage_io_factory.h"
#include "wal/cursor_set.h"
#include "wal/log_writer.h"
#include "wal/lsn.h"
#include "wal/sync_method.h"

namespace corewal {

struct ShardOptions {
  StorageIoOptions io;  // backend, buffers, registered resources, SQPOLL
  DirectMode direct = DirectMode::kAuto;
  SyncMethod sync_method = SyncMethod::kAuto;
  uint64_t segment_bytes = 64ull << 20;  // a multiple of 4096; 64 KiB .. 64 GiB
  uint32_t segments_ready = 2;           // prepared ahead; 1 .. 64
  uint32_t segments_first = 0;           // this many before the first append, if more; 0 .. 1024
  uint32_t sync_delay_us_max = 0;        // hold a partial batch this long for company
  // Datasync when this much is written and more is under way; twice as much may wait for one.
  // 4 KiB .. 1 TiB, as write_bytes_max.
  uint64_t sync_bytes_max = 8u << 20;
  // Writes in flight, and one more: what keeps the disk busy, a network's delay included.
  uint64_t write_bytes_max = 3u << 20;
  uint32_t mailbox_bytes = 4u << 20;  // for appends from other threads; a power of two
  // Of records above 16 KiB from other threads, accepted and not yet durable, while smaller ones
  // come (one in the last second), so that these do not queue behind them; a single one may be
  // larger. 0: no limit. See SendOptions::wait_for_room.
  uint64_t large_bytes_max = 1u << 20;
  // Of the shard's segment files, prepared ones included: at least two segments; 0: no limit.
  // Appends that would need more are refused (ResourceExhausted) until TruncateBefore makes room.
  uint64_t log_bytes_max = 0;
  uint64_t cursor_lag_bytes_max = 0;  // more than this no cursor holds back; 0: no limit
};

// Of an append from another thread.
struct SendOptions {
  Durability durability = Durability::kDurable;
  RecordType type = RecordType::kUser;  // the user's types: 0 .. 127
  // How long to wait for room while the mailbox is full, or ShardOptions::large_bytes_max reached.
  // Zero: ResourceExhausted at once. FailedPrecondition: there is no room, and this is the shard's
  // own thread, which alone could make it; a callback runs there.
  absl::Duration wait_for_room = absl::ZeroDuration();
};

// Settings in effect and counters since opening.
struct ShardInfo {
  IoCapabilities io;
  IoStats io_stats;
  LogWriterStats writer;
  SyncMethod sync_method = SyncMethod::kAuto;  // never kAuto once open
  std::string sync_probe;                      // what the choice rests on; empty if pinned
  bool direct = false;
  std::string file_system;
  Lsn appended, submitted, written, durable;
  Lsn oldest;                       // where the log begins: what is before it was truncated
  uint64_t log_bytes = 0;           // of all its segment files
  std::vector<LogCursor> cursors;   // by name
  uint64_t mailbox_used_bytes = 0;  // by messages that wait
  Histogram write_latency_ns, sync_latency_ns;
  absl::Status failure;  // OK, or why the shard is failed
  // Why no more segments can be prepared just now (disk full, a limit); appends go on as long as
  // writer.segments_ready lasts. OK if they can.
  absl::Status stall;
};

class Shard {
 public:
  virtual ~Shard() = default;

  // Goes past messages of other threads that Poll has not taken in yet.
  // ResourceExhausted: no buffer or no prepared segment is free; nothing was appended; retry after
  // Poll or Wait.
  virtual absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload,
                                     const AppendOptions& options) = 0;
  absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload) { return Append(payload, {}); }
  virtual absl::StatusOr<Lsn> Append(absl::Span<const std::byte> payload,
                                     const AppendOptions& options, AppendCallback on_done) = 0;

  // Moves everything on without waiting. The shard's failure, once it has one.
  virtual absl::Status Poll() = 0;
  // Poll, then sleeps until something happened or `deadline`; returns after at most one sleep.
  virtual absl::Status Wait(MonotonicNs deadline) = 0;
  // Waits until every record appended so far is durable.
  virtual absl::Status WaitDurable() = 0;
  virtual absl::StatusOr<int> notify_fd() = 0;

  // The writer underneath: its inline Append has no virtual call, Reserve encodes in place, and
  // BeginRecord takes a large record in parts. While that is open, messages of other threads and
  // the barriers of epochs wait; Close gives it up.
  virtual LogWriter& writer() = 0;
  virtual Lsn durable_lsn() const = 0;

  // Makes everything durable and seals the log. Idempotent; also done by Engine::Close from the
  // attaching thread.
  virtual absl::Status Close() = 0;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_SHARD_H_
