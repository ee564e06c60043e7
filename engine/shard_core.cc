#include "engine/shard_core.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

constexpr MonotonicNs kInfoIntervalNs = 5'000'000;

// Beyond one slot per buffer: syncs of two segments, one step of preparation, and room to spare.
StorageIoOptions WithRoomForLog(StorageIoOptions io, const ShardOptions& options) {
  io.queue_depth = std::max(io.queue_depth, io.buffers + 8);
  io.file_slots =
      std::max({io.file_slots, options.segments_ready + 16, options.segments_first + 16});
  if (options.sync_method == SyncMethod::kRingDatasync) io.lone_operation_by_syscall = false;
  return io;
}

}  // namespace

ShardCore::ShardCore(Config config, RecoveredLog recovered)
    : config_(std::move(config)),
      recovered_(std::move(recovered)),
      mailbox_(config_.options.mailbox_bytes),
      clock_(mailbox_) {
  durable_.store(recovered_.end.lsn.value(), std::memory_order_release);
}

ShardCore::~ShardCore() {
  if (writer_ != nullptr && !closed_) Close().IgnoreError();
  for (int fd : {epoll_fd_, mailbox_fd_, timer_fd_}) {
    if (fd >= 0) close(fd);
  }
}

absl::Status ShardCore::Open() {
  if (mailbox_.shut()) return absl::FailedPreconditionError("the engine is closed");
  const ShardOptions& options = config_.options;
  FileSystem& files = FileSystem::Host();
  ASSIGN_OR_RETURN(io_, CreateStorageIo(WithRoomForLog(options.io, options)));
  ASSIGN_OR_RETURN(writer_, LogWriter::Open(files, *io_, clock_,
                                            {.directory = config_.directory,
                                             .uuid = config_.uuid,
                                             .shard = config_.shard,
                                             .direct = options.direct,
                                             .sync_method = options.sync_method,
                                             .segment_bytes = options.segment_bytes,
                                             .segments_ready = options.segments_ready,
                                             .segments_first = options.segments_first,
                                             .sync_delay_us_max = options.sync_delay_us_max},
                                            recovered_));
  {
    const std::lock_guard lock(info_mutex_);
    info_.io = io_->capabilities();
    info_.sync_method = options.sync_method;
    info_.sync_probe = config_.sync_probe;
    info_.file_system = files.TypeName(config_.directory);
  }
  owner_.store(std::this_thread::get_id(), std::memory_order_release);
  Publish();
  return absl::OkStatus();
}

absl::Status ShardCore::Push(const Mailbox::Message& message) {
  if (ProcessGeneration() != process_) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  if (message.payload.size() > kRecordBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", message.payload.size(),
                                                   " bytes; at most ", kRecordBytesMax,
                                                   " are allowed"));
  }
  if (!IsUserType(message.options.type)) {
    return absl::InvalidArgumentError(absl::StrCat("record type ",
                                                   static_cast<uint32_t>(message.options.type),
                                                   " is corewal's own; use 0 to 127"));
  }
  if (mailbox_.Push(message)) return absl::OkStatus();
  if (mailbox_.shut()) return absl::FailedPreconditionError("the engine is closed");
  return absl::ResourceExhaustedError(absl::StrCat(
      "shard ", ToIndex(config_.shard), ": the mailbox is full; nothing was appended; retry"));
}

void ShardCore::Shut() {
  mailbox_.Shut();
  mailbox_.Interrupt();
}

// Deliver, then sleep where the next thing will happen: in the kernel while I/O is under way, else
// at the mailbox.
void ShardCore::Run() {
  for (;;) {
    const bool moved = DrainMailbox();
    // A ring that is broken may keep its operations for good.
    if (mailbox_.shut() && !writer_->failure().ok()) break;
    if (io_->in_flight() > 0 || moved) {
      writer_->Wait(kNever).IgnoreError();  // a failure reaches callers through their answers
    } else {
      writer_->Poll().IgnoreError();
      if (io_->in_flight() == 0) {
        if (mailbox_.shut()) break;
        info_at_ = 0;  // what others see while the shard sleeps is all that happened
        Publish();
        mailbox_.WaitForMessage(writer_->next_timer());
      }
    }
    Publish();
  }
  Close().IgnoreError();
  // The ring goes with the thread that made it. Nobody else touches writer and storage: the owner
  // is gone first, since a later thread may get its id.
  owner_.store(std::thread::id(), std::memory_order_release);
  writer_.reset();
  io_.reset();
}

bool ShardCore::DrainMailbox() {
  Mailbox::Message message;
  bool moved = false;
  while (mailbox_.Peek(&message) && Deliver(message)) {
    mailbox_.Pop();
    moved = true;
  }
  return moved;
}

bool ShardCore::Deliver(const Mailbox::Message& message) {
  AppendState* state = message.state;
  if (message.truncate) {
    const absl::Status status = writer_->TruncateBefore(message.truncate_lsn);
    if (state != nullptr) {
      state->Complete(status.ok() ? absl::StatusOr<Lsn>(message.truncate_lsn)
                                  : absl::StatusOr<Lsn>(status));
    }
    return true;
  }
  absl::StatusOr<Lsn> lsn =
      state == nullptr ? writer_->Append(message.payload, message.options)
                       : writer_->Append(message.payload, message.options,
                                         [this, state](absl::StatusOr<Lsn> done) {
                                           PublishDurable();  // who is answered finds it moved
                                           state->Complete(std::move(done));
                                         });
  if (lsn.ok()) return true;
  // What a little waiting cures stays in the mailbox. A full disk does not: its caller is told.
  const bool passes = writer_->failure().ok() && writer_->preparing_stall().ok();
  if (passes && absl::IsResourceExhausted(lsn.status())) return false;
  if (state != nullptr) state->Complete(std::move(lsn));
  return true;
}

absl::StatusOr<Lsn> ShardCore::Append(absl::Span<const std::byte> payload,
                                      const AppendOptions& options) {
  return writer_->Append(payload, options);
}

absl::StatusOr<Lsn> ShardCore::Append(absl::Span<const std::byte> payload,
                                      const AppendOptions& options, AppendCallback on_done) {
  return writer_->Append(payload, options, std::move(on_done));
}

absl::Status ShardCore::Poll() {
  if (mailbox_fd_ >= 0) {
    eventfd_t ignored;
    eventfd_read(mailbox_fd_, &ignored);  // non-blocking: EAGAIN when nobody wrote
  }
  do {
    DrainMailbox();
    writer_->Poll().IgnoreError();
  } while (mailbox_fd_ >= 0 && !mailbox_.Arm() && DrainMailbox());
  SetTimer();
  Publish();
  return writer_->failure();
}

absl::Status ShardCore::Wait(MonotonicNs deadline) {
  const bool moved = DrainMailbox();
  const bool nothing_due = writer_->appended() == writer_->durable() ||
                           (writer_->failure().ok() && writer_->next_timer() == kNever);
  if (io_->in_flight() == 0 && !moved && nothing_due) {
    mailbox_.WaitForMessage(std::min(deadline, writer_->next_timer()));
    DrainMailbox();
    writer_->Poll().IgnoreError();
  } else {
    writer_->Wait(deadline).IgnoreError();
  }
  Publish();
  return writer_->failure();
}

absl::Status ShardCore::WaitDurable() {
  DrainMailbox();
  writer_->WaitDurable().IgnoreError();
  Publish();
  return writer_->failure();
}

absl::StatusOr<int> ShardCore::notify_fd() {
  if (epoll_fd_ >= 0) return epoll_fd_;
  ASSIGN_OR_RETURN(const int storage_fd, io_->notify_fd());
  mailbox_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (mailbox_fd_ < 0) return ErrnoStatus(errno, "eventfd", config_.directory);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer_fd_ < 0) return ErrnoStatus(errno, "timerfd_create", config_.directory);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return ErrnoStatus(errno, "epoll_create1", config_.directory);
  for (int fd : {storage_fd, mailbox_fd_, timer_fd_}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
      const int error = errno;
      close(epoll);
      return ErrnoStatus(error, "epoll_ctl", config_.directory);
    }
  }
  epoll_fd_ = epoll;
  mailbox_.set_event_fd(mailbox_fd_);
  RETURN_IF_ERROR(Poll());
  return epoll_fd_;
}

// The writer's own timers (an idle log's sync and seal) must wake a host that sleeps in epoll.
void ShardCore::SetTimer() {
  if (timer_fd_ < 0) return;
  const MonotonicNs next = writer_->next_timer();
  if (next == timer_set_ && next > Clock::System().Now()) return;
  timer_set_ = next;
  itimerspec when{};
  if (next != kNever) {
    const MonotonicNs at = std::max<MonotonicNs>(next, 1);
    when.it_value = {at / 1'000'000'000, at % 1'000'000'000};
  }
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);  // also forgets an expiry
}

absl::Status ShardCore::Close() {
  mailbox_.Shut();
  if (closed_) return info().failure;
  if (writer_ == nullptr) {
    while (!mailbox_.drained()) mailbox_.Cancel();
    return absl::OkStatus();
  }
  // Whoever came in before Shut is answered, also by a failed shard. A producer may still be
  // copying.
  while (!mailbox_.drained()) {
    Mailbox::Message message;
    if (DrainMailbox() || !mailbox_.Peek(&message)) continue;
    writer_->Wait(Clock::System().Now() + kInfoIntervalNs).IgnoreError();
  }
  const absl::Status status = writer_->Close();
  info_at_ = 0;
  Publish();
  closed_ = true;
  return status;
}

void ShardCore::PublishDurable() {
  const uint64_t durable = writer_->durable().value();
  if (durable != durable_.load(std::memory_order_relaxed)) {
    durable_.store(durable, std::memory_order_release);
  }
}

void ShardCore::Publish() {
  PublishDurable();
  const MonotonicNs now = Clock::System().Now();
  if (now < info_at_ + kInfoIntervalNs) return;
  info_at_ = now;
  const std::lock_guard lock(info_mutex_);
  Refresh(&info_);
}

void ShardCore::Refresh(ShardInfo* info) const {
  info->io_stats = io_->stats();
  info->writer = writer_->stats();
  info->direct = writer_->direct();
  info->appended = writer_->appended();
  info->submitted = writer_->submitted();
  info->written = writer_->written();
  info->durable = writer_->durable();
  if (info->failure.ok()) info->failure = writer_->failure();
}

ShardInfo ShardCore::info() const {
  // The owner sees the present; others the last snapshot, at most some milliseconds old while the
  // shard is busy.
  const std::lock_guard lock(info_mutex_);
  ShardInfo info = info_;
  if (OnOwnerThread()) Refresh(&info);
  return info;
}

}  // namespace corewal
