#include "io_backend/uring_storage_io.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "io_backend/system_call_io.h"
#include "uring/fixed_buffers.h"
#include "uring/probe.h"
#include "uring/shared_poller.h"

namespace corewal {
namespace {

// Waits in a row that the ring may refuse for want of memory before Wait says so.
constexpr int kRefusedWaitsMax = 16;
// Of a request to cancel; no token is like it, since no kind of operation is.
constexpr uint64_t kCancelUserData = UINT64_MAX;

}  // namespace

absl::StatusOr<std::unique_ptr<UringStorageIo>> UringStorageIo::Create(
    const StorageIoOptions& options, const UringTuning& tuning) {
  if (const std::string forbidden = RingForbiddenByEnvironment(); !forbidden.empty()) {
    return absl::FailedPreconditionError(forbidden);
  }
  // One more, for a request to cancel.
  RingOptions wanted = {.entries = options.queue_depth + 1,
                        .cq_entries = tuning.cq_entries,
                        .best = tuning.best,
                        .worst = tuning.worst,
                        .sqpoll_idle_ms = options.sqpoll_idle_ms,
                        .sqpoll_cpu = options.sqpoll_cpu};
  if (options.shared_poller != nullptr) {
    wanted.poller_of_ring_fd = options.shared_poller->ring_fd();
  }
  if (options.sqpoll == Want::kOn) wanted.best = wanted.worst = RingMode::kSqpoll;
  std::vector<std::string> reasons;
  ASSIGN_OR_RETURN(std::unique_ptr<Ring> ring, Ring::Create(wanted, &reasons));
  ASSIGN_OR_RETURN(std::unique_ptr<BufferPool> pool,
                   BufferPool::Create(options.buffers, options.buffer_bytes));
  std::unique_ptr<UringStorageIo> io(
      new UringStorageIo(options, tuning, std::move(pool), std::move(ring), std::move(reasons)));
  RETURN_IF_ERROR(io->RegisterWithRing(options));
  return io;
}

UringStorageIo::UringStorageIo(const StorageIoOptions& options, const UringTuning& tuning,
                               std::unique_ptr<BufferPool> pool, std::unique_ptr<Ring> ring,
                               std::vector<std::string> reasons)
    : StorageIoBase(options.queue_depth, options.file_slots, std::move(pool),
                    options.file_in_flight_max),
      drain_max_(tuning.drain_max),
      lone_by_syscall_(options.lone_operation_by_syscall && ring->mode() != RingMode::kSqpoll),
      ring_(std::move(ring)) {
  IoCapabilities& caps = mutable_capabilities();
  caps.backend = "uring";
  caps.ring_mode = std::string(RingModeName(ring_->mode()));
  caps.sqpoll = ring_->mode() == RingMode::kSqpoll;
  caps.shared_poller = caps.sqpoll && options.shared_poller != nullptr;
  caps.buffers = options.buffers;
  caps.buffer_bytes = options.buffer_bytes;
  caps.fallback_reasons = std::move(reasons);
}

absl::Status UringStorageIo::RegisterWithRing(const StorageIoOptions& options) {
  IoCapabilities& caps = mutable_capabilities();
  if (options.registered_buffers != Want::kOff) {
    std::vector<iovec> buffers(options.buffers);
    for (uint32_t i = 0; i < options.buffers; ++i) {
      buffers[i] = {pool().address(i), options.buffer_bytes};
    }
    if (options.registered_buffers == Want::kOn) {
      RETURN_IF_ERROR(RegisterFixedBuffers(*ring_, buffers));
      fixed_buffers_ = options.buffers;
    } else {
      FixedBuffersThatFit fitting = RegisterFixedBuffersThatFit(*ring_, buffers);
      fixed_buffers_ = fitting.count;
      if (!fitting.reason.empty()) caps.fallback_reasons.push_back(std::move(fitting.reason));
    }
    pool().PreferBelow(fixed_buffers_);
  }
  if (options.registered_files != Want::kOff) {
    auto table = FileTable::Create(ring_.get(), options.file_slots);
    if (table.ok()) {
      files_ = *std::move(table);
    } else if (options.registered_files == Want::kOn) {
      return table.status();
    } else {
      caps.fallback_reasons.push_back(
          absl::StrCat("files are not registered: ", table.status().message()));
    }
  }
  caps.registered_buffers = fixed_buffers_ > 0;
  caps.buffers_registered = fixed_buffers_;
  caps.registered_files = files_ != nullptr;
  return absl::OkStatus();
}

UringStorageIo::~UringStorageIo() {
  const ThreadOwner::Caller caller = owner().Identify();
  if (caller == ThreadOwner::Caller::kForkedChild) return;
  if (caller == ThreadOwner::Caller::kOwner) Drain();
  if (operations().in_kernel() > 0) {
    GiveUpRing();
  } else if (fixed_buffers_ > 0 && caller == ThreadOwner::Caller::kOwner) {
    UnregisterFixedBuffers(*ring_);
  }
  if (caller == ThreadOwner::Caller::kForeignThread && in_flight() > 0) {
    pool().Leak();  // leases can only be returned by the owner
    return;
  }
  DropOperations();
}

absl::Status UringStorageIo::SubmitStaged() {
  QueueStaged();
  const absl::Status submitted = ring_->Submit();
  CountEnters();
  return submitted;
}

absl::Status UringStorageIo::WaitReady(uint32_t min_ready, MonotonicNs deadline) {
  ReapPosted();
  const bool expired = deadline != kNever && Clock::System().Now() >= deadline;
  if (operations().ready() < min_ready && !expired && IsLoneOperation()) {
    DoLoneOperation();
    return absl::OkStatus();
  }
  QueueStaged();
  for (int refused = 0;;) {
    const uint32_t ready = operations().ready();
    const uint32_t in_kernel = operations().in_kernel();
    if (ready >= min_ready || in_kernel == 0) return SubmitStaged();
    const absl::Status waited = WaitForCqes(std::min(min_ready - ready, in_kernel), deadline);
    if (!waited.ok() && (!absl::IsUnavailable(waited) || ++refused == kRefusedWaitsMax)) {
      return waited;
    }
    if (deadline != kNever && operations().ready() < min_ready &&
        Clock::System().Now() >= deadline) {
      return SubmitStaged();
    }
  }
}

// Enters the kernel once, then takes what came.
absl::Status UringStorageIo::WaitForCqes(uint32_t completions, MonotonicNs deadline) {
  const absl::Status waited = ring_->SubmitAndWait(completions, deadline);
  ReapPosted();
  CountEnters();
  return waited;
}

void UringStorageIo::Reap(uint32_t wanted) {
  ReapPosted();
  // Not for more of what was found: the system call of the caller's next turn brings that as well.
  const bool none = operations().ready() == 0 && wanted > 0;
  if (none && operations().in_kernel() > 0 && ring_->HasHeldBack()) {
    ring_->FetchHeldBack();
    ReapPosted();
  }
  // The rests of short transfers; their caller has submitted them already. If the ring takes none
  // for now they stay queued for the next Poll or Wait.
  if (ring_->queued() > 0) (void)ring_->Submit();
  CountEnters();
}

bool UringStorageIo::Pollable() const {
  return StorageIoBase::Pollable() || ring_->HasCqes() || ring_->HasHeldBack();
}

absl::Status UringStorageIo::FinishFile(uint32_t index) {
  QueueStaged();
  for (int refused = 0; file_at(index).unfinished > 0;) {
    const absl::Status waited = WaitForCqes(1, kNever);
    if (!waited.ok() && (!absl::IsUnavailable(waited) || ++refused == kRefusedWaitsMax)) {
      return waited;
    }
  }
  return absl::OkStatus();
}

absl::Status UringStorageIo::InstallFile(uint32_t index, int fd) {
  return files_ == nullptr ? absl::OkStatus() : files_->Install(index, fd);
}

absl::Status UringStorageIo::ClearFile(uint32_t index) {
  return files_ == nullptr ? absl::OkStatus() : files_->Clear(index);
}

// The request is an SQE of its own, which takes no slot: what it says is of no interest, since the
// operation's own CQE tells, and that alone gives the buffer back.
absl::Status UringStorageIo::CancelInKernel(uint32_t slot) {
  RETURN_IF_ERROR(ring_->Submit());  // so that at most one request to cancel is ever queued
  io_uring_sqe* const sqe = ring_->Queue();
  io_uring_prep_cancel64(sqe, operations().token(slot).bits, 0);
  sqe->user_data = kCancelUserData;
  const absl::Status submitted = ring_->Submit();
  CountEnters();
  // It stays queued and is handed over by the next Submit, Wait or Poll.
  return absl::IsUnavailable(submitted) ? absl::OkStatus() : submitted;
}

absl::Status UringStorageIo::AttachNotifyFd(int fd) {
  const int result = io_uring_register_eventfd(ring_->raw(), fd);
  return result == 0 ? absl::OkStatus()
                     : ErrnoStatus(-result, "io_uring_register(EVENTFD)", "for notify_fd");
}

void UringStorageIo::QueueStaged() {
  if (operations().staged() == 0) return;
  const MonotonicNs now = Clock::System().Now();
  while (operations().staged() > 0) {
    const uint32_t slot = operations().Launch(now);
    CountSubmitted(operations().at(slot));
    QueueSqe(slot);
  }
}

void UringStorageIo::QueueSqe(uint32_t slot) {
  const Operation& op = operations().at(slot);
  io_uring_sqe* const sqe = ring_->Queue();
  const int file = files_ != nullptr ? static_cast<int>(op.file_index) : op.fd;
  const auto length = static_cast<unsigned>(op.rest_length());
  switch (op.kind) {
    case OpKind::kWrite:
      if (op.buffer.index() < fixed_buffers_) {
        io_uring_prep_write_fixed(sqe, file, op.rest_data(), length, op.rest_offset(),
                                  static_cast<int>(op.buffer.index()));
      } else {
        io_uring_prep_write(sqe, file, op.rest_data(), length, op.rest_offset());
      }
      if (op.write_mode == WriteMode::kDsync) sqe->rw_flags = RWF_DSYNC;
      break;
    case OpKind::kRead:
      if (op.buffer.index() < fixed_buffers_) {
        io_uring_prep_read_fixed(sqe, file, op.rest_data(), length, op.rest_offset(),
                                 static_cast<int>(op.buffer.index()));
      } else {
        io_uring_prep_read(sqe, file, op.rest_data(), length, op.rest_offset());
      }
      break;
    case OpKind::kSync:
      io_uring_prep_fsync(sqe, file,
                          op.sync_mode == SyncMode::kDatasync ? IORING_FSYNC_DATASYNC : 0);
      break;
    case OpKind::kPreallocate:
      io_uring_prep_fallocate(sqe, file, 0, static_cast<off_t>(op.offset),
                              static_cast<off_t>(op.length));
      break;
  }
  if (files_ != nullptr) sqe->flags |= IOSQE_FIXED_FILE;
  sqe->user_data = operations().token(slot).bits;
}

void UringStorageIo::TakeCqe(uint64_t user_data, int32_t result) {
  if (user_data == kCancelUserData) return;
  const std::optional<uint32_t> slot = operations().FindInKernel(user_data);
  if (!slot.has_value()) {
    ++mutable_stats().stale_completions;
    return;
  }
  if (operations().at(*slot).TakeAnswer(result) == Operation::Verdict::kTryRest) {
    QueueSqe(*slot);
  } else {
    Finish(*slot);
  }
}

void UringStorageIo::ReapPosted() {
  if (!ring_->HasCqes()) return;
  SetNow(Clock::System().Now());
  ring_->Reap([this](uint64_t user_data, int32_t result) { TakeCqe(user_data, result); });
}

bool UringStorageIo::IsLoneOperation() {
  if (operations().staged() != 1 || operations().in_kernel() != 0) return false;
  if (!lone_by_syscall_) return false;
  // A preallocation may take long; it keeps to the deadline of the Wait.
  return operations().at(operations().first_staged()).kind != OpKind::kPreallocate;
}

void UringStorageIo::DoLoneOperation() {
  const uint32_t slot = operations().Launch(Clock::System().Now());
  Operation& op = operations().at(slot);
  CountSubmitted(op);
  do {
    ++direct_calls_;
  } while (op.TakeAnswer(AttemptBySystemCall(op)) == Operation::Verdict::kTryRest);
  SetNow(Clock::System().Now());
  Finish(slot);
  CountEnters();
}

void UringStorageIo::CountEnters() {
  mutable_stats().enters = ring_->enters() + direct_calls_;
  mutable_stats().cq_overflows = ring_->cq_overflows();
}

// What was submitted is waited for; what was only staged is dropped.
void UringStorageIo::Drain() {
  const MonotonicNs deadline = Clock::System().Now() + drain_max_;
  while (operations().in_kernel() > 0 && Clock::System().Now() < deadline) {
    (void)WaitForCqes(operations().in_kernel(), deadline);
  }
}

void UringStorageIo::GiveUpRing() {
  std::fprintf(stderr,
               "corewal: destroying a StorageIo with %u operations that the kernel did not "
               "complete; its ring and %u buffers are leaked\n",
               operations().in_kernel(), pool().buffers());
  ring_->Leak();
  if (files_ != nullptr) files_->Leak();
  pool().Leak();
}

absl::StatusOr<std::shared_ptr<const SharedPoller>> CreateSharedPoller(uint32_t idle_ms, int cpu) {
  if (const std::string forbidden = RingForbiddenByEnvironment(); !forbidden.empty()) {
    return absl::FailedPreconditionError(forbidden);
  }
  return SharedPoller::Create(idle_ms, cpu);
}

}  // namespace corewal
