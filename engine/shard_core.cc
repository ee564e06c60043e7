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
#include "base/futex.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

constexpr MonotonicNs kInfoIntervalNs = 5'000'000;

absl::Status InCallback(absl::string_view call) {
  return ShardTurn::Refusal(call, "return from it, and the shard goes on");
}

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
      large_gate_(config_.options.large_bytes_max),
      mailbox_clock_(*this),
      open_here_(config_.mark_opening ? Epoch() : config_.epochs->first_open()) {
  durable_.store(recovered_.end.lsn.value(), std::memory_order_release);
}

ShardCore::~ShardCore() {
  if (writer_ != nullptr && !closed_) Close().IgnoreError();
  for (int fd : {epoll_fd_, mailbox_fd_, timer_fd_}) {
    if (fd >= 0) close(fd);
  }
}

const Clock& ShardCore::clock() const {
  return config_.environment.clock != nullptr ? *config_.environment.clock : mailbox_clock_;
}

absl::Status ShardCore::Open() {
  if (mailbox_.shut()) return absl::FailedPreconditionError("the engine is closed");
  const ShardOptions& options = config_.options;
  FileSystem& files = *config_.environment.files;
  ASSIGN_OR_RETURN(io_, config_.environment.create_io(WithRoomForLog(options.io, options)));
  ASSIGN_OR_RETURN(writer_, LogWriter::Open(files, *io_, clock(),
                                            {.directory = config_.directory,
                                             .uuid = config_.uuid,
                                             .shard = config_.shard,
                                             .direct = options.direct,
                                             .sync_method = options.sync_method,
                                             .segment_bytes = options.segment_bytes,
                                             .segments_ready = options.segments_ready,
                                             .segments_first = options.segments_first,
                                             .sync_delay_us_max = options.sync_delay_us_max,
                                             .sync_bytes_max = options.sync_bytes_max,
                                             .write_bytes_max = options.write_bytes_max,
                                             .log_bytes_max = options.log_bytes_max,
                                             .cursor_lag_bytes_max = options.cursor_lag_bytes_max,
                                             .after_callbacks = [this] { wakes_.WakeAll(); }},
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

void ShardCore::Shut() {
  ShutMailbox();
  mailbox_.Interrupt();
}

void ShardCore::ShutMailbox() {
  mailbox_.Shut();
  large_gate_.signal().Tell();
}

// Take in, then sleep where the next thing will happen: in the ring while I/O is under way, else at
// the mailbox. A message, a request or a closed epoch ends either.
void ShardCore::Loop() {
  const ShardTurn turn(this);
  for (;;) {
    const bool moved = TakeIn();
    // A ring that is broken may keep its operations for good.
    if (mailbox_.shut() && !writer_->failure().ok()) break;
    if (io_->in_flight() > 0 || moved) {
      WaitInRing(kNever);
    } else {
      writer_->Poll().IgnoreError();
      if (io_->in_flight() == 0) {
        if (mailbox_.shut()) break;
        info_at_ = 0;  // what others see while the shard sleeps is all that happened
        Publish();
        SleepForMessage(writer_->next_timer());
      }
    }
    Publish();
  }
}

void ShardCore::Run() {
  Loop();
  Close().IgnoreError();
  // The ring goes with the thread that made it. Nobody else touches writer and storage: the owner
  // is gone first, since a later thread may get its id.
  owner_.store(std::thread::id(), std::memory_order_release);
  writer_.reset();
  io_.reset();
}

void ShardCore::SleepForMessage(MonotonicNs deadline) {
  // A simulated clock moves only when somebody waits for it.
  if (config_.environment.clock != nullptr) {
    const MonotonicNs until = NoLaterThanRetry(deadline);
    if (until != kNever) clock().SleepUntil(until);
    return;
  }
  if (!mailbox_.Arm(Mailbox::Bed::kFutex, blocked_)) return;
  if (NothingAsked()) mailbox_.Sleep(NoLaterThanRetry(deadline));
  mailbox_.Disarm();
}

// The writer's Wait, which a message ends too if the storage can be woken.
void ShardCore::WaitInRing(MonotonicNs deadline) {
  deadline = NoLaterThanRetry(deadline);
  if (mailbox_fd_ < 0) {
    mailbox_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mailbox_.set_event_fd(mailbox_fd_);
    ring_wakes_ = mailbox_fd_ >= 0 && io_->WakeOn(mailbox_fd_).ok();
  }
  if (!ring_wakes_) {
    writer_->Wait(deadline).IgnoreError();
    return;
  }
  const bool armed = mailbox_.Arm(Mailbox::Bed::kEventFd, blocked_);
  if (!armed || !NothingAsked()) {
    writer_->Poll().IgnoreError();
  } else {
    // With nobody waiting for a record, what is to be prepared goes through the ring and not by a
    // system call that a message could not end.
    if (writer_->appended() == writer_->durable()) writer_->Poll().IgnoreError();
    if (io_->in_flight() > 0 || writer_->appended() != writer_->durable()) {
      writer_->Wait(deadline).IgnoreError();
    }
  }
  if (armed) mailbox_.Disarm();
}

absl::StatusOr<Lsn> ShardCore::Append(absl::Span<const std::byte> payload,
                                      const AppendOptions& options) {
  RETURN_IF_ERROR(EnterOpenEpoch());
  return writer_->Append(payload, options);
}

absl::StatusOr<Lsn> ShardCore::Append(absl::Span<const std::byte> payload,
                                      const AppendOptions& options, AppendCallback on_done) {
  RETURN_IF_ERROR(EnterOpenEpoch());
  return writer_->Append(payload, options, std::move(on_done));
}

absl::Status ShardCore::Poll() {
  if (ShardTurn::In(this)) return InCallback("Poll");
  const ShardTurn turn(this);
  if (epoll_fd_ >= 0) {
    eventfd_t ignored;
    eventfd_read(mailbox_fd_, &ignored);  // non-blocking: EAGAIN when nobody wrote
  }
  bool again = false;
  do {
    TakeIn();
    writer_->Poll().IgnoreError();
    if (epoll_fd_ < 0) break;
    again = !mailbox_.Arm(Mailbox::Bed::kEventFd, blocked_) && !mailbox_.shut();
    again |= !NothingAsked();
  } while (again);
  SetTimer();
  Publish();
  return writer_->failure();
}

absl::Status ShardCore::Wait(MonotonicNs deadline) {
  if (ShardTurn::In(this)) return InCallback("Wait");
  const ShardTurn turn(this);
  const bool moved = TakeIn();
  const bool nothing_due = writer_->appended() == writer_->durable() ||
                           (writer_->failure().ok() && writer_->next_timer() == kNever);
  if (io_->in_flight() == 0 && !moved && nothing_due) {
    SleepForMessage(std::min(deadline, writer_->next_timer()));
    TakeIn();
    writer_->Poll().IgnoreError();
  } else {
    WaitInRing(deadline);
  }
  Publish();
  return writer_->failure();
}

absl::Status ShardCore::WaitDurable() {
  if (ShardTurn::In(this)) return InCallback("WaitDurable");
  const ShardTurn turn(this);
  TakeIn();
  writer_->WaitDurable().IgnoreError();
  Publish();
  return writer_->failure();
}

absl::StatusOr<int> ShardCore::notify_fd() {
  if (epoll_fd_ >= 0) return epoll_fd_;
  ASSIGN_OR_RETURN(const int storage_fd, io_->notify_fd());
  if (mailbox_fd_ < 0) mailbox_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
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
  const MonotonicNs next = NoLaterThanRetry(writer_->next_timer());
  if (next == timer_set_ && next > Clock::System().Now()) return;
  timer_set_ = next;
  itimerspec when{};
  if (next != kNever) {
    const MonotonicNs at = std::max<MonotonicNs>(next, 1);
    when.it_value = {at / 1'000'000'000, at % 1'000'000'000};
  }
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);  // also forgets an expiry
}

// Whoever came in before Shut is answered, also by a failed shard. A producer may still be copying.
absl::Status ShardCore::FinishMessages() {
  BeginClosing();
  while (!mailbox_.drained() || !controls_.empty() || !controls_taken_.empty()) {
    Mailbox::Message message;
    const bool moved = TakeIn();
    if (moved || (!mailbox_.drained() && !mailbox_.Peek(&message))) continue;
    writer_->Wait(clock().Now() + kInfoIntervalNs).IgnoreError();
  }
  RefuseControls();
  if (posts_dropped_ == 0 || !writer_->failure().ok()) return absl::OkStatus();
  return absl::Status(drop_cause_.code(),
                      absl::StrCat("shard ", ToIndex(config_.shard), ": ", posts_dropped_,
                                   " posted records were not appended: ", drop_cause_.message()));
}

void ShardCore::RefuseControls() {
  for (ControlItem* item = controls_.Shut(); item != nullptr;) {
    ControlItem* const next = ControlQueue::Next(item);
    item->Refuse(absl::FailedPreconditionError("the engine is closed"));
    item = next;
  }
}

// Of a shard that was never opened. A producer may still be copying.
void ShardCore::RefuseMessages() {
  while (!mailbox_.drained()) {
    Mailbox::Message message;
    if (!mailbox_.Peek(&message)) continue;
    Refuse(message, absl::CancelledError("the shard closed before the append was made"));
    mailbox_.Pop();
  }
}

absl::Status ShardCore::Close() {
  if (closed_) return info().failure;
  if (ShardTurn::In(this)) return InCallback("Close");
  ShutMailbox();
  const ShardTurn turn(this);
  if (writer_ == nullptr) {
    RefuseMessages();
    RefuseControls();
    return absl::OkStatus();
  }
  writer_->CancelRecord();  // messages wait for its end
  const absl::Status finished = FinishMessages();
  absl::Status status = writer_->Close();
  info_at_ = 0;
  Publish();
  if (status.ok() && !finished.ok()) {
    status = finished;
    const std::lock_guard lock(info_mutex_);
    info_.failure = finished;
  }
  closed_ = true;
  return status;
}

// Before anybody is answered, so that who goes on with the next large record finds room for it.
void ShardCore::ReleaseLarge() {
  const bool failed = !writer_->failure().ok();
  const Lsn end = failed ? Lsn(UINT64_MAX) : writer_->durable();
  if (large_gate_.Release(end, writer_->submitted(), writer_->written())) mailbox_.TellRoom();
}

void ShardCore::PublishDurable() {
  ReleaseLarge();
  const uint64_t durable = writer_->durable().value();
  if (durable == durable_.load(std::memory_order_relaxed)) return;
  // Release: what was done before is visible to who sees the watermark.
  durable_.store(durable, std::memory_order_release);
  // Acquire-release, as in Mailbox::TellRoom: either a waiter is found here, or it sees the above.
  if (durable_waiters_.fetch_add(0, std::memory_order_acq_rel) == 0) return;
  durable_news_.fetch_add(1, std::memory_order_release);
  FutexWake(durable_news_, INT32_MAX);
}

void ShardCore::WaitDurableBeyond(Lsn beyond, MonotonicNs deadline) const {
  durable_waiters_.fetch_add(1, std::memory_order_acq_rel);
  for (;;) {
    const uint32_t seen = durable_news_.load(std::memory_order_acquire);
    if (durable_lsn() > beyond) break;
    if (deadline != kNever && Clock::System().Now() >= deadline) break;
    FutexWait(durable_news_, seen, deadline);
  }
  durable_waiters_.fetch_sub(1, std::memory_order_relaxed);
}

void ShardCore::Publish() {
  PublishDurable();
  const MonotonicNs now = clock().Now();
  if (std::exchange(took_small_, false)) large_gate_.SawSmall(now);
  const bool news = !writer_->failure().ok() && !failed_.load(std::memory_order_relaxed);
  if (now < info_at_ + kInfoIntervalNs && !news) return;
  info_at_ = now;
  {
    const std::lock_guard lock(info_mutex_);
    Refresh(&info_);
  }
  if (writer_->failure().ok() || failed_.load(std::memory_order_relaxed)) return;
  // Release: whoever sees it finds the cause in info_.
  failed_.store(true, std::memory_order_release);
  config_.epochs->Failed(config_.shard, writer_->failure());
}

absl::Status ShardCore::PublishAll(absl::Status done) {
  info_at_ = 0;
  Publish();
  return done;
}

absl::Status ShardCore::TruncateBefore(Lsn lsn) { return PublishAll(writer_->TruncateBefore(lsn)); }

absl::Status ShardCore::SetCursor(absl::string_view name, Lsn lsn) {
  return PublishAll(writer_->SetCursor(name, lsn));
}

absl::Status ShardCore::RemoveCursor(absl::string_view name) {
  return PublishAll(writer_->RemoveCursor(name));
}

void ShardCore::Refresh(ShardInfo* info) const {
  info->io_stats = io_->stats();
  info->writer = writer_->stats();
  info->direct = writer_->direct();
  info->appended = writer_->appended();
  info->submitted = writer_->submitted();
  info->written = writer_->written();
  info->durable = writer_->durable();
  info->oldest = writer_->oldest();
  info->log_bytes = writer_->log_bytes();
  if (info->cursors != writer_->cursors()) info->cursors = writer_->cursors();
  info->mailbox_used_bytes = mailbox_.used_bytes();
  if (const IoLatencies* latencies = io_->latencies(); latencies != nullptr) {
    info->sync_latency_ns = latencies->of(OpKind::kSync);
    info->write_latency_ns = latencies->of(OpKind::kWrite);
  }
  info->stall = writer_->preparing_stall();
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
