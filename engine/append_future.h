// engine/append_future.h: the answer to an append from another thread.
//
//   StatusOr<Lsn> lsn = future.Wait();               blocks
//   lsn = future.WaitFor(absl::Milliseconds(5));     DeadlineExceeded: not yet
//   lsn = future.Wait(stop_token);                   Cancelled: a stop was requested meanwhile
//   lsn = co_await future;                           goes on on the shard's thread
//
// Ready exactly once: with the record's LSN when it is as durable as was asked, or with the error.
// A deadline or a stop ends the waiting, never the append, which goes on; wait again to know.
// Move-only; may be dropped at any time, which does not take the append back either.
// Thread: any, one at a time per future. A coroutine that awaits is resumed inside the shard's
// Poll, as a callback is: it must not block, and may append.
#ifndef COREWAL_ENGINE_APPEND_FUTURE_H_
#define COREWAL_ENGINE_APPEND_FUTURE_H_

#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "wal/lsn.h"

namespace corewal {

class AppendState;  // engine/append_state.h

class AppendFuture {
 public:
  AppendFuture() = default;
  AppendFuture(AppendFuture&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  AppendFuture& operator=(AppendFuture&& other) noexcept;
  ~AppendFuture();

  bool valid() const { return state_ != nullptr; }
  bool ready() const;
  // Blocks until ready. Must be valid, here and below. FailedPrecondition, if it is not ready and
  // this is a callback on a shard's thread, which could wait for itself; the append goes on. A
  // host's thread that runs the shard calls Shard::Poll until ready() instead.
  absl::StatusOr<Lsn> Wait();
  // DeadlineExceeded: not ready yet; the append itself goes on and the future stays valid.
  absl::StatusOr<Lsn> WaitFor(absl::Duration timeout);
  // Cancelled: a stop was requested before it was ready; likewise.
  absl::StatusOr<Lsn> Wait(const std::stop_token& stop);

  // What co_await calls. By value: for an awaitable that is the result of a call, such as
  // *status_or_future, g++ 12 makes a copy.
  class Awaiter {
   public:
    explicit Awaiter(AppendFuture* future) : future_(future) {}
    bool await_ready() const { return future_->ready(); }
    template <typename Handle>  // std::coroutine_handle<Promise>
    bool await_suspend(Handle handle) {
      return future_->Suspend(handle.address(),
                              [](void* at) { Handle::from_address(at).resume(); });
    }
    absl::StatusOr<Lsn> await_resume() { return future_->Result(); }

   private:
    AppendFuture* future_;
  };
  Awaiter operator co_await() { return Awaiter(this); }

 private:
  friend class Engine;
  friend class AppendPath;
  explicit AppendFuture(AppendState* state) : state_(state) {}
  absl::Status CheckMayWait() const;
  bool Suspend(void* address, void (*resume)(void*));
  absl::StatusOr<Lsn> Result() const;  // requires ready()
  AppendState* state_ = nullptr;
};

// Now + timeout, for absl::InfiniteDuration() kNever.
MonotonicNs DeadlineAfter(absl::Duration timeout);

}  // namespace corewal

#endif  // COREWAL_ENGINE_APPEND_FUTURE_H_
