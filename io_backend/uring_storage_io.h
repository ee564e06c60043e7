// io_backend/uring_storage_io.h: StorageIo on one io_uring.
//
// Staged operations stay in the operation table until Submit or Wait turns them into SQEs, so that
// one Wait is one system call however many were staged. A lone write, read or sync that Wait finds
// staged while the ring is empty is done by a plain system call instead: nothing could run beside
// it, and the ring costs more (119 against 105 us for a write and sync). SQPOLL rings never do
// that, nor any with lone_operation_by_syscall off.
//
//   table --(SQE, user_data = token)--> ring --(CQE)--> TakeAnswer --> ready
//                                        ^                  |
//                                        +---- the rest ----+
//
// Thread, failure: as StorageIo. A CQE that matches no operation is counted, never matched.
#ifndef COREWAL_IO_BACKEND_URING_STORAGE_IO_H_
#define COREWAL_IO_BACKEND_URING_STORAGE_IO_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/storage_io_base.h"
#include "io_backend/storage_io_factory.h"
#include "io_backend/uring_buffers.h"
#include "uring/buffer_group_ids.h"
#include "uring/file_table.h"
#include "uring/ring.h"

namespace corewal {

// For tests: rungs and sizes that the ladder would not choose by itself.
struct UringTuning {
  RingMode best = RingMode::kDeferTaskrun;
  RingMode worst = RingMode::kPlain;
  uint32_t cq_entries = 0;                 // 0: twice the queue depth
  MonotonicNs drain_max = 30'000'000'000;  // how long destroying waits for the kernel
  BufferGroupIds* group_ids = nullptr;     // null: ids of its own
};

class UringStorageIo final : public StorageIoBase {
 public:
  // `options` are valid. FailedPrecondition: no ring, or a feature that is required and refused;
  // the message says why and what to change. ResourceExhausted: no memory.
  static absl::StatusOr<std::unique_ptr<UringStorageIo>> Create(const StorageIoOptions& options,
                                                                const UringTuning& tuning = {});
  ~UringStorageIo() override;

  absl::Status WakeOn(int event_fd) override;

 private:
  UringStorageIo(const StorageIoOptions& options, const UringTuning& tuning,
                 std::unique_ptr<BufferPool> pool, std::unique_ptr<Ring> ring,
                 std::vector<std::string> reasons);
  absl::Status RegisterWithRing(const StorageIoOptions& options, BufferGroupIds* group_ids);

  absl::Status SubmitStaged() override;
  absl::Status WaitReady(uint32_t min_ready, MonotonicNs deadline) override;
  void Reap(uint32_t wanted) override;
  bool Pollable() const override;
  absl::Status FinishFile(uint32_t index) override;
  absl::Status InstallFile(uint32_t index, int fd) override;
  absl::Status ClearFile(uint32_t index) override;
  absl::Status CancelInKernel(uint32_t slot) override;
  absl::Status AttachNotifyFd(int fd) override;

  absl::Status AddBuffers(uint32_t from, uint32_t to) override;
  absl::Status DropBuffers(uint32_t from, uint32_t to) override;
  bool PicksBuffers() const override { return buffers_.picks(); }

  void ShowRegistered();
  void QueueStaged();
  void ArmWake();
  void QueueSqe(uint32_t slot);
  void QueueWrite(const Operation& op, io_uring_sqe* sqe, int file) const;
  void QueueRead(const Operation& op, io_uring_sqe* sqe, int file) const;
  void TakeCqe(const io_uring_cqe& cqe);
  // Whether it has another buffer, and the read is to be tried again.
  bool TakePoolBuffer(Operation& op);
  void ReapPosted();
  bool IsLoneOperation();
  void DoLoneOperation();
  absl::Status WaitForCqes(uint32_t completions, MonotonicNs deadline);
  void CountEnters();
  void Drain();
  void GiveUpRing();

  const MonotonicNs drain_max_;
  const bool lone_by_syscall_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<FileTable> files_;  // null: operations name the descriptor
  BufferGroupIds own_group_ids_{1};   // the storage needs one group
  UringBuffers buffers_;
  uint64_t direct_calls_ = 0;
  int wake_fd_ = -1;         // see WakeOn
  bool wake_armed_ = false;  // the ring watches it
  bool woken_ = false;       // and has seen it written; the next Wait returns
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_URING_STORAGE_IO_H_
