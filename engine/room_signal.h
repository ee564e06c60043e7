// engine/room_signal.h: how a producer that was refused waits for room. No system call and no cache
// line of its own while nobody waits.
//
//   producer: seen = Seen(); try; refused: Wait(seen, ...); try again       shard: make room;
//   Tell()
//
// Thread: any.
#ifndef COREWAL_ENGINE_ROOM_SIGNAL_H_
#define COREWAL_ENGINE_ROOM_SIGNAL_H_

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/futex.h"

namespace corewal {

class RoomSignal {
 public:
  uint32_t Seen() const { return made_.load(std::memory_order_acquire); }

  // Until there was a Tell since `seen`, `over` says that there will be none, or `deadline`. False:
  // the deadline passed.
  template <typename Over>
  bool Wait(uint32_t seen, MonotonicNs deadline, Over over) {
    // Acquire-release, as in Tell: of the two read-modify-writes of waiters_ the later one sees
    // what was done before the earlier one. So either Tell finds a waiter here, or the room and the
    // count before it are visible below.
    waiters_.fetch_add(1, std::memory_order_acq_rel);
    bool in_time = true;
    while (made_.load(std::memory_order_acquire) == seen && !over()) {
      if (deadline != kNever && Clock::System().Now() >= deadline) {
        in_time = false;
        break;
      }
      FutexWait(made_, seen, deadline);
    }
    waiters_.fetch_sub(1, std::memory_order_relaxed);
    return in_time;
  }

  // After room was made, or `over` became true.
  void Tell() {
    // Release: who sees the new count sees the room. It moves also while nobody waits, for the sake
    // of a producer between its refusal and Wait.
    made_.fetch_add(1, std::memory_order_release);
    if (waiters_.fetch_add(0, std::memory_order_acq_rel) != 0) FutexWake(made_, INT32_MAX);
  }

 private:
  std::atomic<uint32_t> waiters_{0};
  std::atomic<uint32_t> made_{0};  // how often there was news; the futex word
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ROOM_SIGNAL_H_
