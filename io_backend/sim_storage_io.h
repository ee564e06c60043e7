// io_backend/sim_storage_io.h: StorageIo on a SimDisk.
//
// Submitted operations take effect and complete after a seeded time, in any order. Wait moves the
// simulated time to the next completion or to its deadline; each Poll that finds nothing takes a
// few microseconds of it, so that polling alone gets there too. The caller's buffer is read when
// the write takes effect, not before: who touches it early has changed the file.
//
// After a crash of the disk everything in flight has completed with EIO, and so does whatever is
// staged then. If only stuck operations are left, Wait and UnregisterFile without a deadline
// return DeadlineExceeded instead of hanging: unlike Unavailable, trying again is no use.
// Unlike the other backends it allocates memory for an operation.
// Thread: that of the SimDisk. Failure: as StorageIo.
#ifndef COREWAL_IO_BACKEND_SIM_STORAGE_IO_H_
#define COREWAL_IO_BACKEND_SIM_STORAGE_IO_H_

#include <memory>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/storage_io_base.h"
#include "io_backend/storage_io_factory.h"

namespace corewal {

class SimStorageIo final : public StorageIoBase,
                           private SimDisk::Process,
                           private SimTimeline::Listener {
 public:
  // `files` must outlive it, and only its files can be registered. Of `options`, the sizes count.
  // ResourceExhausted: no memory.
  static absl::StatusOr<std::unique_ptr<SimStorageIo>> Create(SimFileSystem& files,
                                                              const StorageIoOptions& options);
  ~SimStorageIo() override;

 private:
  // What the device knows of the operation in a slot.
  struct Request {
    uint64_t write_id = 0;
    SimDisk::SyncScope scope;
    bool short_for_good = false;
  };
  static constexpr MonotonicNs kPollNs = 5'000;

  SimStorageIo(SimFileSystem& files, const StorageIoOptions& options,
               std::unique_ptr<BufferPool> pool);

  absl::Status SubmitStaged() override;
  absl::Status WaitReady(uint32_t min_ready, MonotonicNs deadline) override;
  void Reap(uint32_t wanted) override;
  absl::Status FinishFile(uint32_t index) override;
  absl::Status InstallFile(uint32_t, int) override { return absl::OkStatus(); }
  absl::Status ClearFile(uint32_t) override { return absl::OkStatus(); }
  absl::Status CancelInKernel(uint32_t) override { return absl::OkStatus(); }  // see OnDue
  absl::Status AttachNotifyFd(int) override { return absl::OkStatus(); }
  bool Pollable() const override {
    return operations().ready() > 0 || operations().in_kernel() > 0;
  }

  MonotonicNs Now() const override { return disk_.timeline().Now(); }

  void OnCrash(SimCrash mode) override;
  void OnDue(uint32_t slot) override;

  void LaunchStaged();
  void Schedule(uint32_t slot);
  void Complete(uint32_t slot);
  void TakeInFlightWrite(uint32_t slot, SimCrash mode);

  int64_t Attempt(uint32_t slot);
  int64_t AttemptWrite(Operation& op, Request& request);
  int64_t AttemptRead(Operation& op);
  int64_t AttemptPreallocate(const Operation& op, const Request& request);
  uint64_t TakenOf(const Operation& op, Request& request);  // bytes that the device takes
  std::string RestOf(const Operation& op, uint64_t bytes);

  SimFileSystem& files_;
  SimDisk& disk_;
  const uint64_t storage_;
  std::vector<Request> requests_;  // by slot
  std::set<uint32_t> in_kernel_;   // slots
  uint64_t completed_ = 0;         // so the next to be polled after it has this order
  bool crashed_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_STORAGE_IO_H_
