// io_backend/storage_io.h: the one storage interface that the log is written against.
//
// Completion based and single threaded:
//
//   AcquireBuffer -> fill -> Write/Read/Sync/Preallocate  stages an operation
//   Submit                                                hands staged operations to the kernel
//   Wait                                                  Submit, then sleep until some completed
//   Poll                                                  collects completions, buffers come home
//
// Three backends (posix, uring, sim) pass one contract suite; they differ in speed only. The full
// contract, method by method, is io_backend/CONTRACT.md. What is more convenient stands on top of
// it: write_copy.h, file_appender.h, file_read.h, shared_bytes.h.
//
// Promises:
//   P1  Nothing orders two operations except the caller, who waits for a completion before staging
//       the next. A Sync covers exactly the writes whose completions had been polled before it was
//       staged (DESIGN R1).
//   P2  A buffer given to an operation is the kernel's until that operation's completion is polled.
//   P3  A write completes with its full length or with an error; short writes, EINTR and EAGAIN are
//       resolved inside, with a bound. A read is short only at the end of the file.
//   P4  Each accepted operation yields exactly one Completion.
//   P5  No method calls back into the caller; staging and Submit never wait for the device.
// Thread: the one that created it. From another thread, or in a forked child, every method returns
// FailedPrecondition (or does nothing, where it returns no status).
#ifndef COREWAL_IO_BACKEND_STORAGE_IO_H_
#define COREWAL_IO_BACKEND_STORAGE_IO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/strong_int.h"
#include "io_backend/buffer_lease.h"
#include "io_backend/file_system.h"
#include "io_backend/io_latencies.h"
#include "io_backend/op_kind.h"

namespace corewal {

using FileOffset = StrongInt<struct FileOffsetTag>;  // bytes from the start of a file

// A registered file: index into the backend's table plus generation, so that a handle kept after
// UnregisterFile is refused instead of reaching whatever took its slot.
struct FileHandle {
  uint32_t index = UINT32_MAX;
  uint32_t generation = 0;
  friend bool operator==(FileHandle, FileHandle) = default;
};

// kDsync: durable when the write completes, as pwritev2(RWF_DSYNC).
enum class WriteMode : uint8_t { kPlain, kDsync };
// kDatasync: data and the metadata needed to read it back (fdatasync). kFull: fsync; use it on a
// directory, after a create, rename or remove.
enum class SyncMode : uint8_t { kDatasync, kFull };

// `tag` below is the caller's: it comes back in the completion, untouched.
struct WriteOp {
  FileHandle file = {};
  FileOffset offset = {};      // for O_DIRECT files: a multiple of the file's alignment
  uint32_t length = 0;         // bytes; 1 .. buffer size - buffer_offset
  uint32_t buffer_offset = 0;  // bytes; where in the buffer; for O_DIRECT files as `offset`
  WriteMode mode = WriteMode::kPlain;
  uint64_t tag = 0;
};
struct ReadOp {
  FileHandle file = {};
  FileOffset offset = {};
  uint32_t length = 0;         // bytes; 1 .. buffer size - buffer_offset
  uint32_t buffer_offset = 0;  // bytes; where in the buffer
  uint64_t tag = 0;
};
// A part of a write of several buffers.
struct WritePiece {
  BufferLease buffer = {};
  uint32_t offset = 0;  // bytes; where in the buffer
  uint32_t length = 0;  // bytes; 1 .. buffer size - offset
};
constexpr size_t kWritePiecesMax = 16;
struct GatherOp {
  FileHandle file = {};
  FileOffset offset = {};
  WriteMode mode = WriteMode::kPlain;
  uint64_t tag = 0;
};
struct SyncOp {
  FileHandle file = {};
  SyncMode mode = SyncMode::kDatasync;
  uint64_t tag = 0;
};
// Allocates blocks and extends the file, as fallocate(2) with mode 0.
struct PreallocateOp {
  FileHandle file = {};
  FileOffset offset = {};
  uint64_t length = 0;  // bytes, at least 1
  uint64_t tag = 0;
};

// Names one accepted operation: op kind, slot and generation, never reused while in flight.
struct OpToken {
  uint64_t bits = 0;
  friend bool operator==(OpToken, OpToken) = default;
};

struct Completion {
  OpToken token = {};
  uint64_t tag = 0;
  OpKind kind = OpKind::kWrite;
  int error = 0;            // 0, or a positive errno value; EIO for a write that stayed short
  uint32_t bytes = 0;       // transferred; for a write without error its full length
  BufferLease buffer = {};  // of a write or read, handed back here; see BufferLease::TakeNext

  bool ok() const { return error == 0; }
};

// What is in effect, and in words that say what to change, why nothing better is.
struct IoCapabilities {
  std::string backend;    // "uring", "posix" or "sim"
  std::string ring_mode;  // "sqpoll", "defer_taskrun", "coop_taskrun", "plain"; empty: no ring
  bool sqpoll = false;
  bool shared_poller = false;       // with sqpoll: other storages use the same poller
  bool registered_buffers = false;  // some are: buffers_registered
  bool registered_files = false;
  uint32_t buffers = 0;      // now; more or fewer later if buffers_max is more
  uint32_t buffers_max = 0;  // as many as the pool may grow to
  uint32_t buffer_bytes = 0;
  uint32_t buffers_registered = 0;  // of `buffers`; lent before the others
  std::string buffer_pages;         // "ordinary pages", "transparent huge pages", ...
  bool buffers_locked = false;      // mlock(2)
  uint32_t ring_buffers = 0;        // that ReadAny picks from; 0: it takes one of `buffers`
  std::vector<std::string> fallback_reasons;  // empty: nothing was wanted and refused
};

// Counted since creation; cheap enough to be always on.
struct IoStats {
  uint64_t submitted = 0;  // operations handed to the kernel
  uint64_t completed = 0;  // of these, completed, failed ones included
  uint64_t failed = 0;
  uint64_t writes = 0;
  uint64_t reads = 0;
  uint64_t syncs = 0;  // Sync operations and kDsync writes
  uint64_t bytes_written = 0;
  uint64_t bytes_read = 0;
  uint64_t enters = 0;             // system calls made to submit, wait or, in posix, to do the I/O
  uint64_t short_transfers = 0;    // resolved inside (P3)
  uint64_t stale_completions = 0;  // CQEs that matched no operation in flight; always a bug
  uint64_t buffers_acquired = 0;   // lent by AcquireBuffer and ReadAny
  uint64_t buffers_returned = 0;   // of these, come home to the pool
  uint64_t buffer_misses = 0;      // AcquireBuffer or ReadAny that found none free
  uint64_t pool_growths = 0;       // times that misses made the pool larger
  uint64_t pool_growths_refused = 0;  // times that it could not be: see fallback_reasons
  uint64_t pool_shrinks = 0;          // times that it gave idle buffers back
  uint64_t ring_misses = 0;           // ReadAny that found no ring buffer and took one of the pool
  uint64_t queue_full = 0;            // refused: queue_depth operations in flight
  uint64_t cq_overflows = 0;          // times that the kernel held back CQEs for want of room
  uint64_t file_full = 0;  // refused: file_in_flight_max operations of the file unfinished

  // Of the requests for a buffer, those that found none: 0 .. 1.
  double buffer_miss_rate() const {
    const double requests = static_cast<double>(buffers_acquired + buffer_misses);
    return requests == 0 ? 0 : static_cast<double>(buffer_misses) / requests;
  }
};

class StorageIo {
 public:
  // Drains what is in flight (bounded; then leaks its buffers rather than free them under the
  // kernel), then buffers, then files.
  virtual ~StorageIo() = default;

  // Takes `file` (which stays the caller's on error) into the registered-file table.
  // ResourceExhausted: the table is full, named with its limit.
  virtual absl::StatusOr<FileHandle> RegisterFile(OpenFile& file) = 0;
  // Waits for this file's own operations, whose completions stay to be polled; clears the slot and
  // then closes the file. InvalidArgument: stale handle.
  virtual absl::Status UnregisterFile(FileHandle file) = 0;

  // A block-aligned buffer of buffer_bytes(), its content unspecified. If none is free and the pool
  // may grow (buffers_max), it grows first.
  // ResourceExhausted: all are lent; Poll and retry.
  virtual absl::StatusOr<BufferLease> AcquireBuffer() = 0;

  // Stage an operation. `buffer` is moved from on success only.
  // InvalidArgument: stale handle, length out of range, foreign or empty lease, misaligned
  // O_DIRECT. ResourceExhausted: queue_depth operations are in flight, or file_in_flight_max of
  // this file; Poll and retry.
  virtual absl::StatusOr<OpToken> Write(const WriteOp& op, BufferLease&& buffer) = 0;
  virtual absl::StatusOr<OpToken> Read(const ReadOp& op, BufferLease&& buffer) = 0;
  // Writes up to kWritePiecesMax buffers as one operation: one completion, which brings all of them
  // back. The leases are moved from on success only. Unimplemented: this storage does not.
  virtual absl::StatusOr<OpToken> WriteGather(const GatherOp& op, absl::Span<WritePiece> pieces);
  // Reads into a buffer of the storage's choosing, which comes with the completion; buffer_offset
  // is 0. Where the kernel picks it (StorageIoOptions::read_buffers), it does so only when there is
  // something to put there. ResourceExhausted: no buffer is free, besides what Read says.
  virtual absl::StatusOr<OpToken> ReadAny(const ReadOp& op);
  virtual absl::StatusOr<OpToken> Sync(const SyncOp& op) = 0;
  virtual absl::StatusOr<OpToken> Preallocate(const PreallocateOp& op) = 0;

  // Asks for an operation in flight to end early; its completion comes as ever, with ECANCELED or
  // with what it did meanwhile, and its buffer not before that. OK: asked, or complete already.
  // NotFound: stale token. Unavailable: the kernel takes no more for now; Poll and retry.
  // Unimplemented: this storage does not.
  virtual absl::Status Cancel(OpToken token);

  // Hands all staged operations to the kernel without waiting for the device.
  virtual absl::Status Submit() = 0;
  // Submits, then returns once `min_completions` are ready to be polled, nothing is in flight any
  // more, or `deadline` passed (OK in each case: Poll tells). min_completions >= 1.
  virtual absl::Status Wait(uint32_t min_completions, MonotonicNs deadline) = 0;
  // Collects up to out.size() completions without waiting or allocating; returns how many.
  // Leases still held by entries of `out` go home first.
  virtual size_t Poll(absl::Span<Completion> out) = 0;

  // Becomes readable when there is something to Poll. The backend reads and resets it. Made at the
  // first call, owned by the backend.
  virtual absl::StatusOr<int> notify_fd() = 0;

  // From now on Wait also returns (OK) soon after this eventfd (non-blocking) was written, by any
  // thread, and reads it; a lone operation that is done by a system call goes on, though. Once;
  // `event_fd` outlives the storage. Unimplemented: this storage's Wait does not sleep.
  virtual absl::Status WakeOn(int event_fd);

  virtual uint32_t in_flight() const = 0;  // accepted and not yet polled
  virtual uint32_t queue_depth() const = 0;
  virtual uint32_t buffer_bytes() const = 0;
  virtual const IoCapabilities& capabilities() const = 0;
  virtual const IoStats& stats() const = 0;
  // Null: this storage keeps none.
  virtual const IoLatencies* latencies() const { return nullptr; }
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_STORAGE_IO_H_
