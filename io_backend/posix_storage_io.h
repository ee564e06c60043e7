// io_backend/posix_storage_io.h: StorageIo by plain system calls; correct, dull, the oracle.
//
// Submit only marks operations as submitted. They are done one after the other, in order, by Wait
// and Poll, which block for the device meanwhile; Poll does at most as many as it can return.
// Thread, failure: as StorageIo.
#ifndef COREWAL_IO_BACKEND_POSIX_STORAGE_IO_H_
#define COREWAL_IO_BACKEND_POSIX_STORAGE_IO_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/index_queue.h"
#include "io_backend/storage_io_base.h"
#include "io_backend/storage_io_factory.h"

namespace corewal {

class PosixStorageIo final : public StorageIoBase {
 public:
  // `options` are valid; `reasons` say why it is not a ring. ResourceExhausted: no memory.
  static absl::StatusOr<std::unique_ptr<PosixStorageIo>> Create(const StorageIoOptions& options,
                                                                std::vector<std::string> reasons);
  ~PosixStorageIo() override;

 private:
  PosixStorageIo(const StorageIoOptions& options, std::unique_ptr<BufferPool> pool,
                 std::vector<std::string> reasons);

  absl::Status SubmitStaged() override;
  absl::Status WaitReady(uint32_t min_ready, MonotonicNs deadline) override;
  void Reap(uint32_t wanted) override;
  absl::Status FinishFile(uint32_t index) override;
  absl::Status InstallFile(uint32_t, int) override { return absl::OkStatus(); }
  absl::Status ClearFile(uint32_t) override { return absl::OkStatus(); }
  absl::Status CancelInKernel(uint32_t) override { return absl::OkStatus(); }  // see DoOldest
  absl::Status AttachNotifyFd(int) override { return absl::OkStatus(); }
  bool Pollable() const override { return operations().ready() > 0 || !submitted_.empty(); }

  void LaunchStaged();
  void DoOldest();

  IndexQueue submitted_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_POSIX_STORAGE_IO_H_
