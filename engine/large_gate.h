// engine/large_gate.h: keeps large records from standing in a queue before small ones.
//
//   producer:  Admit -> mailbox          shard:  TakenIn -> (durable) -> Release
//              `---------- on their way: at most `bytes_max`, or one record ----------'
//
// On a shard the order is that of acceptance, and a record is durable no earlier than all before
// it. So a small record waits for every large one that was accepted before it, and nothing that is
// done afterwards can change that: what can be bounded is how many are accepted. While small
// records come (one in the last second), a large one is accepted only if those on their way leave
// room for it. With nothing but large records about there is no limit but the mailbox's.
//
// Invariants: on_way() is what was admitted and neither released nor given back; with small records
// about it grows beyond bytes_max only from 0, by one record.
// Thread: Admit, GiveBack, HasRoom and the signal by any; the rest by the shard.
#ifndef COREWAL_ENGINE_LARGE_GATE_H_
#define COREWAL_ENGINE_LARGE_GATE_H_

#include <atomic>
#include <cstdint>
#include <deque>

#include "base/check.h"
#include "base/clock.h"
#include "engine/room_signal.h"
#include "wal/callback_queue.h"
#include "wal/lsn.h"

namespace corewal {

class LargeGate {
 public:
  // Small: up to here, by payload of one hand-over.
  static constexpr uint64_t kSmallBytesMax = 16u << 10;
  static constexpr MonotonicNs kSmallAboutNs = 1'000'000'000;

  explicit LargeGate(uint64_t bytes_max) : bytes_max_(bytes_max) {}  // 0: no limit

  bool Minds(uint64_t bytes) const { return bytes > kSmallBytesMax && bytes_max_ != 0; }

  // False: not now; `signal` tells when to try again. Requires Minds(bytes), here and below.
  bool Admit(uint64_t bytes, MonotonicNs now) {
    const bool limited = SmallAbout(now);
    // Acquire and release, as the signal needs it: who is refused for what was on its way is told
    // of its release.
    uint64_t held = on_way_.load(std::memory_order_acquire);
    do {
      if (limited && !Fits(held, bytes)) return false;
    } while (!on_way_.compare_exchange_weak(held, held + bytes, std::memory_order_acq_rel));
    return true;
  }
  bool HasRoom(uint64_t bytes, MonotonicNs now) const {
    return !SmallAbout(now) || Fits(on_way(), bytes);
  }
  // What was admitted did not come into the mailbox, or not into the log.
  void GiveBack(uint64_t bytes) {
    CHECK_GE(on_way_.fetch_sub(bytes, std::memory_order_acq_rel), bytes);
    signal_.Tell();
  }

  // The shard took in a small record.
  void SawSmall(MonotonicNs now) {
    // Relaxed: a hint, seen sooner or later.
    small_at_.store(now, std::memory_order_relaxed);
  }
  // What was admitted is in the log, and ends at `end` there.
  void TakenIn(uint64_t bytes, Lsn end, Durability wanted) {
    CHECK(taken_.empty() || taken_.back().end <= end);
    taken_.push_back({end, bytes, wanted == Durability::kDurable});
  }
  // What has come to the end of its way: what wanted it is durable; of the rest all was written
  // that was handed to the device. Whether that made room.
  bool Release(Lsn durable, Lsn submitted, Lsn written) {
    uint64_t released = 0;
    while (!taken_.empty()) {
      const Taken& front = taken_.front();
      const bool over = front.end <= durable ||
                        (!front.wants_durable && (front.end <= written || submitted == written));
      if (!over) break;
      released += front.bytes;
      taken_.pop_front();
    }
    if (released > 0) GiveBack(released);
    return released > 0;
  }

  // Bytes admitted and not released; any thread.
  uint64_t on_way() const { return on_way_.load(std::memory_order_acquire); }
  RoomSignal& signal() { return signal_; }

 private:
  struct Taken {
    Lsn end;
    uint64_t bytes;
    bool wants_durable;
  };

  bool SmallAbout(MonotonicNs now) const {
    const MonotonicNs at = small_at_.load(std::memory_order_relaxed);
    return at != kNever && now < at + kSmallAboutNs;
  }
  bool Fits(uint64_t held, uint64_t bytes) const { return held == 0 || held + bytes <= bytes_max_; }

  const uint64_t bytes_max_;
  std::atomic<uint64_t> on_way_{0};
  std::atomic<MonotonicNs> small_at_{kNever};  // kNever: not yet
  RoomSignal signal_;
  std::deque<Taken> taken_;  // in the log, oldest first
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_LARGE_GATE_H_
