#include "engine/append_future.h"

#include "base/check.h"
#include "base/futex.h"
#include "engine/append_state.h"

namespace corewal {

void AppendState::Complete(absl::StatusOr<Lsn> result) {
  result_ = std::move(result);
  if (on_done_) {
    on_done_(result_);
  } else {
    // Release: result_ is visible to whoever sees ready_ set.
    if (ready_.exchange(kReady, std::memory_order_acq_rel) == kWaited) FutexWake(ready_, INT32_MAX);
  }
  Release();
}

bool AppendState::WaitUntil(MonotonicNs deadline) const {
  for (;;) {
    uint32_t state = ready_.load(std::memory_order_acquire);
    if (state == kReady) return true;
    if (deadline != kNever && Clock::System().Now() >= deadline) return false;
    // Says that a wake-up is wanted, so that Complete makes no system call for nobody.
    if (state == kPending &&
        !ready_.compare_exchange_strong(state, kWaited, std::memory_order_acq_rel)) {
      continue;
    }
    FutexWait(ready_, kWaited, deadline);
  }
}

AppendFuture& AppendFuture::operator=(AppendFuture&& other) noexcept {
  if (this != &other) {
    if (state_ != nullptr) state_->Release();
    state_ = std::exchange(other.state_, nullptr);
  }
  return *this;
}

AppendFuture::~AppendFuture() {
  if (state_ != nullptr) state_->Release();
}

bool AppendFuture::ready() const {
  CHECK(valid());
  return state_->ready();
}

absl::StatusOr<Lsn> AppendFuture::Wait() {
  CHECK(valid());
  state_->WaitUntil(kNever);
  return state_->result();
}

absl::StatusOr<Lsn> AppendFuture::WaitFor(absl::Duration timeout) {
  CHECK(valid());
  const MonotonicNs now = Clock::System().Now();
  const int64_t wait = absl::ToInt64Nanoseconds(timeout);  // saturates
  const MonotonicNs deadline = wait >= kNever - now ? kNever : now + wait;
  if (!state_->WaitUntil(deadline)) {
    return absl::DeadlineExceededError("the append is not durable yet; it goes on");
  }
  return state_->result();
}

}  // namespace corewal
