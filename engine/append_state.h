// engine/append_state.h: what an append from another thread and its shard share until it is
// answered.
//
//   producer: Take, Push into the mailbox       shard: Complete once, Release
//   future:   Wait or Suspend, Release          last Release: back into the pool
//
// States come from one pool for the process, which grows by whole slabs and gives nothing back: an
// append allocates nothing once the pool has seen as many answers outstanding as there are now. A
// future may outlive its engine.
//
// Thread: Complete by the shard; the rest by anyone who holds a reference.
#ifndef COREWAL_ENGINE_APPEND_STATE_H_
#define COREWAL_ENGINE_APPEND_STATE_H_

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "engine/wake_list.h"
#include "wal/callback_queue.h"
#include "wal/lsn.h"

namespace corewal {

class AppendState {
 public:
  // With one reference for the shard, and one more for a future.
  static AppendState* Take(int references);
  static AppendState* Take(AppendCallback on_done);
  // States that the pool holds, in use or not.
  static uint64_t pool_size();

  // Publishes the answer, runs the callback, wakes the waiter or resumes who suspended, and drops
  // the shard's reference. With `wakes` the wake-up is only put there, to be made with others; it
  // is made before a callback or a coroutine runs, which may take long.
  void Complete(absl::StatusOr<Lsn> result, WakeList* wakes = nullptr);

  bool ready() const {
    // Acquire: pairs with the release in Complete, so that result_ is visible.
    return ready_.load(std::memory_order_acquire) == kReady;
  }
  // Blocks until ready, until `deadline`, or until a stop is requested; whether it is ready.
  bool WaitUntil(MonotonicNs deadline, const std::stop_token& stop = {}) const;
  // Has Complete call resume(address) on its thread. False: ready already, nothing will be called.
  // One waiter at a time, of either kind.
  bool Suspend(void* address, void (*resume)(void*));
  // Requires ready().
  const absl::StatusOr<Lsn>& result() const { return result_; }

  void Release() {
    // Acquire-release: whoever recycles sees all that the others did.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) Recycle();
  }

 private:
  friend class AppendStatePool;
  void Recycle();

  // pending -> [waited | suspended ->] ready
  enum : uint32_t { kPending = 0, kReady = 1, kWaited = 2, kSuspended = 3 };
  mutable std::atomic<uint32_t> ready_{kPending};
  // The futex word, of the 32 states of a group, in which this one has a bit. Counts wake-ups.
  std::atomic<uint32_t>* wake_word_ = nullptr;
  uint32_t wake_bit_ = 0;
  std::atomic<int> references_{0};
  absl::StatusOr<Lsn> result_ = Lsn();
  AppendCallback on_done_;
  void* continuation_ = nullptr;
  void (*resume_)(void*) = nullptr;
  // In the pool: the next free one's number, 0 for none; and this one's own, from 1.
  std::atomic<uint32_t> next_free_{0};
  uint32_t number_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_APPEND_STATE_H_
