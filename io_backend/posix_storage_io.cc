#include "io_backend/posix_storage_io.h"

#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "io_backend/system_call_io.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<PosixStorageIo>> PosixStorageIo::Create(
    const StorageIoOptions& options, std::vector<std::string> reasons) {
  if (options.read_buffers == ReadBuffers::kRing) {
    reasons.emplace_back("ReadAny takes buffers of the pool: there is no ring to pick from");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<BufferPool> pool,
                   BufferPool::Create(options, /*ring_buffers=*/0, &reasons));
  return std::unique_ptr<PosixStorageIo>(
      new PosixStorageIo(options, std::move(pool), std::move(reasons)));
}

PosixStorageIo::PosixStorageIo(const StorageIoOptions& options, std::unique_ptr<BufferPool> pool,
                               std::vector<std::string> reasons)
    : StorageIoBase(options, std::move(pool)), submitted_(options.queue_depth) {
  IoCapabilities& caps = mutable_capabilities();
  caps.backend = "posix";
  caps.fallback_reasons = std::move(reasons);
}

PosixStorageIo::~PosixStorageIo() {
  // What was submitted happens, as it would on a ring. From elsewhere it is not ours to do.
  if (owner().Identify() == ThreadOwner::Caller::kForkedChild) return;
  if (owner().Identify() == ThreadOwner::Caller::kForeignThread) {
    if (in_flight() > 0) pool().Leak();
    return;
  }
  while (!submitted_.empty()) DoOldest();
  DropOperations();
}

absl::Status PosixStorageIo::SubmitStaged() {
  LaunchStaged();
  if (Pollable()) SignalNotifyFd();
  return absl::OkStatus();
}

absl::Status PosixStorageIo::WaitReady(uint32_t min_ready, MonotonicNs deadline) {
  LaunchStaged();
  while (operations().ready() < min_ready && !submitted_.empty()) {
    if (deadline != kNever && Clock::System().Now() >= deadline) break;
    DoOldest();
  }
  return absl::OkStatus();
}

void PosixStorageIo::Reap(uint32_t wanted) {
  while (operations().ready() < wanted && !submitted_.empty()) DoOldest();
}

absl::Status PosixStorageIo::FinishFile(uint32_t index) {
  LaunchStaged();
  while (file_at(index).unfinished > 0) DoOldest();
  return absl::OkStatus();
}

void PosixStorageIo::LaunchStaged() {
  if (operations().staged() == 0) return;
  const MonotonicNs now = Clock::System().Now();
  while (operations().staged() > 0) {
    const uint32_t slot = operations().Launch(now);
    submitted_.Push(slot);
    CountSubmitted(operations().at(slot));
  }
}

void PosixStorageIo::DoOldest() {
  const uint32_t slot = submitted_.Pop();
  Operation& op = operations().at(slot);
  if (op.cancel_asked) {
    (void)op.TakeAnswer(-ECANCELED);
  } else {
    do {
      ++mutable_stats().enters;
    } while (op.TakeAnswer(AttemptBySystemCall(op)) == Operation::Verdict::kTryRest);
  }
  SetNow(Clock::System().Now());
  Finish(slot);
}

}  // namespace corewal
