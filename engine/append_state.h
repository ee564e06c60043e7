// engine/append_state.h: what an append from another thread and its shard share until it is
// answered.
//
//   producer: new, Push into the mailbox        shard: Complete once, Release
//   future:   Wait, Release
//
// Thread: Complete by the shard; the rest by anyone who holds a reference.
#ifndef COREWAL_ENGINE_APPEND_STATE_H_
#define COREWAL_ENGINE_APPEND_STATE_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "wal/callback_queue.h"
#include "wal/lsn.h"

namespace corewal {

class AppendState {
 public:
  // With one reference for the shard, and one more for a future.
  explicit AppendState(int references) : references_(references) {}
  explicit AppendState(AppendCallback on_done) : references_(1), on_done_(std::move(on_done)) {}

  // Publishes the answer, runs the callback or wakes the waiter, and drops the shard's reference.
  void Complete(absl::StatusOr<Lsn> result);

  bool ready() const {
    // Acquire: pairs with the release in Complete, so that result_ is visible.
    return ready_.load(std::memory_order_acquire) == kReady;
  }
  // Blocks until ready or until `deadline`; whether it is ready.
  bool WaitUntil(MonotonicNs deadline) const;
  // Requires ready().
  const absl::StatusOr<Lsn>& result() const { return result_; }

  void Release() {
    // Acquire-release: whoever deletes sees all that the others did.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~AppendState() = default;

  // pending -> [waited ->] ready
  enum : uint32_t { kPending = 0, kReady = 1, kWaited = 2 };
  mutable std::atomic<uint32_t> ready_{kPending};  // the futex word
  std::atomic<int> references_;
  absl::StatusOr<Lsn> result_ = Lsn();
  AppendCallback on_done_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_APPEND_STATE_H_
