// io_backend/storage_io_base.h: what the backends have in common, so that they cannot differ in it.
//
// Argument checks, tokens, buffers, the file table, staging, polling, the notify fd and the
// counters live here. A backend adds how staged operations reach the device:
//
//   staged --SubmitStaged--> in kernel --Reap, WaitReady, FinishFile--> ready --Poll--> caller
//
// A backend takes operations with operations().Launch(), feeds every answer to
// Operation::TakeAnswer() and hands finished ones to Finish().
// Thread: as StorageIo; the hooks run only for the owner.
#ifndef COREWAL_IO_BACKEND_STORAGE_IO_BASE_H_
#define COREWAL_IO_BACKEND_STORAGE_IO_BASE_H_

#include <sys/uio.h>

#include <cstdint>
#include <memory>

#include "base/slot_table.h"
#include "base/thread_owner.h"
#include "io_backend/buffer_pool.h"
#include "io_backend/file_size_signal.h"
#include "io_backend/operation_table.h"
#include "io_backend/pool_sizer.h"
#include "io_backend/storage_io.h"

namespace corewal {

class StorageIoBase : public StorageIo {
 public:
  ~StorageIoBase() override;

  absl::StatusOr<FileHandle> RegisterFile(OpenFile& file) final;
  absl::Status UnregisterFile(FileHandle file) final;
  absl::StatusOr<BufferLease> AcquireBuffer() final;
  absl::StatusOr<OpToken> Write(const WriteOp& op, BufferLease&& buffer) final;
  absl::StatusOr<OpToken> Read(const ReadOp& op, BufferLease&& buffer) final;
  absl::StatusOr<OpToken> WriteGather(const GatherOp& op, absl::Span<WritePiece> pieces) final;
  absl::StatusOr<OpToken> ReadAny(const ReadOp& op) final;
  absl::StatusOr<OpToken> Sync(const SyncOp& op) final;
  absl::StatusOr<OpToken> Preallocate(const PreallocateOp& op) final;
  absl::Status Cancel(OpToken token) final;
  absl::Status Submit() final;
  absl::Status Wait(uint32_t min_completions, MonotonicNs deadline) final;
  size_t Poll(absl::Span<Completion> out) final;
  absl::StatusOr<int> notify_fd() final;

  uint32_t in_flight() const final { return operations_.live(); }
  uint32_t queue_depth() const final { return operations_.capacity(); }
  uint32_t buffer_bytes() const final { return pool_->buffer_bytes(); }
  const IoCapabilities& capabilities() const final { return capabilities_; }
  const IoStats& stats() const final;
  const IoLatencies* latencies() const final { return latencies_.get(); }

 protected:
  struct RegisteredFile {
    OpenFile file;
    uint32_t unfinished = 0;  // operations staged or in the kernel
  };

  StorageIoBase(const StorageIoOptions& options, std::unique_ptr<BufferPool> pool);

  // Hands all staged operations to the kernel.
  virtual absl::Status SubmitStaged() = 0;
  // As StorageIo::Wait.
  virtual absl::Status WaitReady(uint32_t min_ready, MonotonicNs deadline) = 0;
  // Moves completed operations to ready, without waiting; stops when `wanted` are ready.
  virtual void Reap(uint32_t wanted) = 0;
  // Returns when the file at `index` has no unfinished operations.
  virtual absl::Status FinishFile(uint32_t index) = 0;
  // The backend's own table of files. ClearFile on error: the file must stay open.
  virtual absl::Status InstallFile(uint32_t index, int fd) = 0;
  virtual absl::Status ClearFile(uint32_t index) = 0;
  // Asks for the end of the operation in `slot`, which is in the kernel; it stays there until its
  // answer comes.
  virtual absl::Status CancelInKernel(uint32_t slot) = 0;
  // Called with the notify fd once it exists.
  virtual absl::Status AttachNotifyFd(int fd) = 0;
  // The pool has buffers [from, to) more, which nobody has yet. On error they are taken away again.
  virtual absl::Status AddBuffers(uint32_t from, uint32_t to);
  // Buffers [from, to) of the pool are free and will be taken away. On error they stay.
  virtual absl::Status DropBuffers(uint32_t from, uint32_t to);
  // Whether the kernel picks the buffers of ReadAny.
  virtual bool PicksBuffers() const { return false; }
  virtual MonotonicNs Now() const { return Clock::System().Now(); }
  // Whether Poll would find something.
  virtual bool Pollable() const { return operations_.ready() > 0; }

  // When answers were seen, for the latencies; call it before Finish, once for all operations that
  // are reaped together.
  void SetNow(MonotonicNs now) { now_ns_ = now; }
  // An operation was handed to the kernel.
  void CountSubmitted(const Operation& op);
  // The operation in `slot` has its final result.
  void Finish(uint32_t slot);
  // For destructors, after draining: takes back the buffers of whatever is left.
  void DropOperations();
  // Makes the notify fd readable, if there is one.
  void SignalNotifyFd();

  const ThreadOwner& owner() const { return owner_; }
  OperationTable& operations() { return operations_; }
  const OperationTable& operations() const { return operations_; }
  BufferPool& pool() { return *pool_; }
  IoStats& mutable_stats() { return stats_; }
  IoCapabilities& mutable_capabilities() { return capabilities_; }
  const RegisteredFile& file_at(uint32_t index) { return files_.at(index); }

 private:
  struct Transfer {
    uint64_t offset;  // in the file
    uint64_t length;
    uint64_t buffer_offset;
  };
  static SlotId IdOf(FileHandle handle) { return SlotId{handle.index, handle.generation}; }
  absl::StatusOr<RegisteredFile*> FindFile(FileHandle handle);
  // `buffer` null: one that the kernel will pick.
  absl::Status CheckTransfer(const OpenFile& file, const Transfer& transfer,
                             const BufferLease* buffer) const;
  absl::Status CheckPieces(const OpenFile& file, const GatherOp& op,
                           absl::Span<const WritePiece> pieces) const;
  // Stages an operation on a file found before; the caller fills in the rest.
  absl::StatusOr<Operation*> Stage(OpKind kind, FileHandle handle, RegisteredFile& file,
                                   OpToken* token);
  void ResetNotifyFd();
  bool GrowPool();
  void ShrinkPoolIfIdle();

  const ThreadOwner owner_;
  const FileSizeSignalBlock file_size_signal_;  // RLIMIT_FSIZE: an error, not a death
  std::unique_ptr<BufferPool> pool_;            // outlives the operations, which hold leases
  SlotTable<RegisteredFile> files_;
  OperationTable operations_;
  const std::unique_ptr<iovec[]> pieces_;  // kWritePiecesMax for each operation
  PoolSizer pool_sizer_;
  IoCapabilities capabilities_;
  mutable IoStats stats_;  // what the pool counts is fetched when asked for
  const std::unique_ptr<IoLatencies> latencies_;
  MonotonicNs now_ns_ = 0;
  int notify_fd_ = -1;
  const uint32_t file_in_flight_max_;
  // Made once: refusing for lack of room must not allocate.
  const absl::Status queue_full_;
  const absl::Status file_full_;
  const absl::Status no_buffer_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_STORAGE_IO_BASE_H_
