#include "io_backend/uring_storage_io.h"

#include <poll.h>
#include <sys/eventfd.h>
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
#include "uring/probe.h"
#include "uring/shared_poller.h"

namespace corewal {
namespace {

// Waits in a row that the ring may refuse for want of memory before Wait says so.
constexpr int kRefusedWaitsMax = 16;
// Of a request to cancel; no token is like it, since no kind of operation is.
constexpr uint64_t kCancelUserData = UINT64_MAX;
constexpr uint64_t kWakeUserData = UINT64_MAX - 1;

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
  const uint32_t ring_buffers =
      options.read_buffers == ReadBuffers::kRing ? options.ring_buffers : 0;
  ASSIGN_OR_RETURN(std::unique_ptr<BufferPool> pool,
                   BufferPool::Create(options, ring_buffers, &reasons));
  std::unique_ptr<UringStorageIo> io(
      new UringStorageIo(options, tuning, std::move(pool), std::move(ring), std::move(reasons)));
  RETURN_IF_ERROR(io->RegisterWithRing(options, tuning.group_ids));
  return io;
}

UringStorageIo::UringStorageIo(const StorageIoOptions& options, const UringTuning& tuning,
                               std::unique_ptr<BufferPool> pool, std::unique_ptr<Ring> ring,
                               std::vector<std::string> reasons)
    : StorageIoBase(options, std::move(pool)),
      drain_max_(tuning.drain_max),
      lone_by_syscall_(options.lone_operation_by_syscall && ring->mode() != RingMode::kSqpoll),
      ring_(std::move(ring)),
      buffers_(ring_.get(), &this->pool()) {
  IoCapabilities& caps = mutable_capabilities();
  caps.backend = "uring";
  caps.ring_mode = std::string(RingModeName(ring_->mode()));
  caps.sqpoll = ring_->mode() == RingMode::kSqpoll;
  caps.shared_poller = caps.sqpoll && options.shared_poller != nullptr;
  caps.fallback_reasons = std::move(reasons);
}

absl::Status UringStorageIo::RegisterWithRing(const StorageIoOptions& options,
                                              BufferGroupIds* group_ids) {
  IoCapabilities& caps = mutable_capabilities();
  RETURN_IF_ERROR(buffers_.Register(options.registered_buffers, &caps.fallback_reasons));
  ShowRegistered();
  if (options.read_buffers == ReadBuffers::kRing) {
    buffers_.CreateRing(group_ids != nullptr ? group_ids : &own_group_ids_, &caps.fallback_reasons);
    caps.ring_buffers = buffers_.picks() ? options.ring_buffers : 0;
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
  caps.registered_files = files_ != nullptr;
  return absl::OkStatus();
}

void UringStorageIo::ShowRegistered() {
  mutable_capabilities().registered_buffers = buffers_.fixed() > 0;
  mutable_capabilities().buffers_registered = buffers_.fixed();
}

UringStorageIo::~UringStorageIo() {
  const ThreadOwner::Caller caller = owner().Identify();
  if (caller == ThreadOwner::Caller::kForkedChild) return;
  if (caller == ThreadOwner::Caller::kOwner) Drain();
  if (operations().in_kernel() > 0) {
    GiveUpRing();
  } else if (caller == ThreadOwner::Caller::kOwner) {
    buffers_.Unregister();
  }
  if (caller == ThreadOwner::Caller::kForeignThread && in_flight() > 0) {
    pool().Leak();  // leases can only be returned by the owner
    return;
  }
  buffers_.CloseRing();
  DropOperations();
}

absl::Status UringStorageIo::AddBuffers(uint32_t from, uint32_t to) {
  const absl::Status added = buffers_.Add(from, to, &mutable_capabilities().fallback_reasons);
  ShowRegistered();
  return added;
}

absl::Status UringStorageIo::DropBuffers(uint32_t from, uint32_t to) {
  const absl::Status dropped = buffers_.Drop(from, to);
  ShowRegistered();
  return dropped;
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
  ArmWake();
  QueueStaged();
  for (int refused = 0;;) {
    if (woken_) {
      woken_ = false;
      eventfd_t ignored;
      eventfd_read(wake_fd_, &ignored);
      return SubmitStaged();
    }
    const uint32_t ready = operations().ready();
    const uint32_t in_kernel = operations().in_kernel();
    if (ready >= min_ready || in_kernel == 0) return SubmitStaged();
    // The answer of the poll for WakeOn is one CQE, and none of those that are counted.
    const uint32_t cqes = wake_armed_ ? 1 : std::min(min_ready - ready, in_kernel);
    const absl::Status waited = WaitForCqes(cqes, deadline);
    if (!waited.ok() && (!absl::IsUnavailable(waited) || ++refused == kRefusedWaitsMax)) {
      return waited;
    }
    if (deadline != kNever && operations().ready() < min_ready &&
        Clock::System().Now() >= deadline) {
      return SubmitStaged();
    }
  }
}

absl::Status UringStorageIo::WakeOn(int event_fd) {
  RETURN_IF_ERROR(owner().Check());
  wake_fd_ = event_fd;
  return absl::OkStatus();
}

// A poll of its own in the ring, which takes no slot.
void UringStorageIo::ArmWake() {
  if (wake_fd_ < 0 || wake_armed_) return;
  // Room for it and for everything that is staged.
  if (ring_->entries() - ring_->queued() <= operations().staged()) {
    if (!ring_->Submit().ok() || ring_->entries() <= operations().staged()) return;
  }
  io_uring_sqe* const sqe = ring_->Queue();
  io_uring_prep_poll_add(sqe, wake_fd_, POLLIN);
  sqe->user_data = kWakeUserData;
  wake_armed_ = true;
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
  buffers_.ProvideReturned();
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
  switch (op.kind) {
    case OpKind::kWrite:
      QueueWrite(op, sqe, file);
      break;
    case OpKind::kRead:
      QueueRead(op, sqe, file);
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

void UringStorageIo::QueueWrite(const Operation& op, io_uring_sqe* sqe, int file) const {
  const auto length = static_cast<unsigned>(op.rest_length());
  if (op.gathers()) {
    io_uring_prep_writev(sqe, file, op.pieces, op.piece_count, op.rest_offset());
  } else if (buffers_.IsFixed(op.buffer)) {
    io_uring_prep_write_fixed(sqe, file, op.rest_data(), length, op.rest_offset(),
                              static_cast<int>(op.buffer.index()));
  } else {
    io_uring_prep_write(sqe, file, op.rest_data(), length, op.rest_offset());
  }
  if (op.write_mode == WriteMode::kDsync) sqe->rw_flags = RWF_DSYNC;
}

void UringStorageIo::QueueRead(const Operation& op, io_uring_sqe* sqe, int file) const {
  const auto length = static_cast<unsigned>(op.rest_length());
  if (!op.buffer) {
    io_uring_prep_read(sqe, file, nullptr, length, op.rest_offset());
    buffers_.PickFor(sqe);
  } else if (buffers_.IsFixed(op.buffer)) {
    io_uring_prep_read_fixed(sqe, file, op.rest_data(), length, op.rest_offset(),
                             static_cast<int>(op.buffer.index()));
  } else {
    io_uring_prep_read(sqe, file, op.rest_data(), length, op.rest_offset());
  }
}

void UringStorageIo::TakeCqe(const io_uring_cqe& cqe) {
  if (cqe.user_data == kCancelUserData) return;
  if (cqe.user_data == kWakeUserData) {
    wake_armed_ = false;
    woken_ = true;
    return;
  }
  const std::optional<uint32_t> slot = operations().FindInKernel(cqe.user_data);
  if (!slot.has_value()) {
    ++mutable_stats().stale_completions;
    return;
  }
  Operation& op = operations().at(*slot);
  if (op.kind == OpKind::kRead && !op.buffer) {
    op.buffer = buffers_.TakePicked(cqe);
    if (cqe.res == -ENOBUFS && !op.buffer && TakePoolBuffer(op)) return QueueSqe(*slot);
  }
  if (op.TakeAnswer(cqe.res) == Operation::Verdict::kTryRest) {
    QueueSqe(*slot);
  } else {
    Finish(*slot);
  }
}

bool UringStorageIo::TakePoolBuffer(Operation& op) {
  std::optional<BufferLease> lease = pool().Acquire();
  if (!lease.has_value()) return false;
  ++mutable_stats().ring_misses;
  op.buffer = *std::move(lease);
  pool().Launch(op.buffer);
  return true;
}

void UringStorageIo::ReapPosted() {
  if (!ring_->HasCqes()) return;
  SetNow(Clock::System().Now());
  ring_->ReapCqes([this](const io_uring_cqe& cqe) { TakeCqe(cqe); });
}

bool UringStorageIo::IsLoneOperation() {
  if (operations().staged() != 1 || operations().in_kernel() != 0) return false;
  if (!lone_by_syscall_) return false;
  const Operation& op = operations().at(operations().first_staged());
  // Only the kernel picks a buffer.
  if (op.kind == OpKind::kRead && !op.buffer) return false;
  // A preallocation may take long; it keeps to the deadline of the Wait.
  return op.kind != OpKind::kPreallocate;
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
