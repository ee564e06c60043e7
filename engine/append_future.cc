#include "engine/append_future.h"

#include "base/check.h"
#include "base/status_macros.h"
#include "engine/append_state.h"
#include "engine/shard_turn.h"

namespace corewal {

MonotonicNs DeadlineAfter(absl::Duration timeout) {
  const MonotonicNs now = Clock::System().Now();
  const int64_t wait = absl::ToInt64Nanoseconds(timeout);  // saturates
  return wait >= kNever - now ? kNever : now + wait;
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

absl::Status AppendFuture::CheckMayWait() const {
  if (!ShardTurn::InAny() || ready()) return absl::OkStatus();
  return ShardTurn::Refusal("waiting for an append",
                            "the append goes on; use a callback, co_await or ready()");
}

absl::StatusOr<Lsn> AppendFuture::Wait() {
  CHECK(valid());
  RETURN_IF_ERROR(CheckMayWait());
  state_->WaitUntil(kNever);
  return state_->result();
}

absl::StatusOr<Lsn> AppendFuture::WaitFor(absl::Duration timeout) {
  CHECK(valid());
  RETURN_IF_ERROR(CheckMayWait());
  if (!state_->WaitUntil(DeadlineAfter(timeout))) {
    return absl::DeadlineExceededError("the append is not durable yet; it goes on");
  }
  return state_->result();
}

absl::StatusOr<Lsn> AppendFuture::Wait(const std::stop_token& stop) {
  CHECK(valid());
  RETURN_IF_ERROR(CheckMayWait());
  if (!state_->WaitUntil(kNever, stop)) {
    return absl::CancelledError("the wait was stopped; the append goes on");
  }
  return state_->result();
}

bool AppendFuture::Suspend(void* address, void (*resume)(void*)) {
  CHECK(valid());
  return state_->Suspend(address, resume);
}

absl::StatusOr<Lsn> AppendFuture::Result() const {
  CHECK(ready());
  return state_->result();
}

}  // namespace corewal
