// io_backend/sim_timeline.h: simulated time, and what is due when.
//
// Time moves only when somebody waits: a StorageIo in Wait or Poll, or the clock in SleepUntil.
// On the way everything due takes place, in order of time, then of scheduling.
// Thread: that of the SimDisk.
#ifndef COREWAL_IO_BACKEND_SIM_TIMELINE_H_
#define COREWAL_IO_BACKEND_SIM_TIMELINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/clock.h"

namespace corewal {

class SimTimeline final : public Clock {
 public:
  class Listener {
   public:
    virtual void OnDue(uint32_t slot) = 0;

   protected:
    ~Listener() = default;
  };

  // `before_each` runs before each thing that is due; it may cancel.
  explicit SimTimeline(std::function<void()> before_each) : before_each_(std::move(before_each)) {}

  MonotonicNs Now() const override { return now_; }
  void SleepUntil(MonotonicNs when) const override { AdvanceTo(when); }
  uint64_t UnixNs() const override { return kBootUnixNs + static_cast<uint64_t>(now_); }

  void Schedule(MonotonicNs when, Listener* listener, uint32_t slot) {
    due_.emplace(std::make_pair(when, ++scheduled_), std::make_pair(listener, slot));
  }
  // Everything of this listener.
  void Cancel(const Listener* listener) {
    for (auto it = due_.begin(); it != due_.end();) {
      it = it->second.first == listener ? due_.erase(it) : std::next(it);
    }
  }

  // Moves to the next thing due by `limit` and runs it; false if there is none, time stands then.
  bool RunNext(MonotonicNs limit) const {
    if (due_.empty() || due_.begin()->first.first > limit) return false;
    before_each_();
    if (due_.empty() || due_.begin()->first.first > limit) return true;  // it was cancelled
    const auto next = *due_.begin();
    due_.erase(due_.begin());
    if (next.first.first > now_) now_ = next.first.first;
    next.second.first->OnDue(next.second.second);
    return true;
  }
  void AdvanceTo(MonotonicNs when) const {
    while (RunNext(when)) {
    }
    if (when > now_) now_ = when;
  }

 private:
  static constexpr uint64_t kBootUnixNs = 1'700'000'000'000'000'000;
  // A Clock is const to those who use it, but here using it is what moves it.
  mutable MonotonicNs now_ = 1'000'000'000;
  mutable std::map<std::pair<MonotonicNs, uint64_t>, std::pair<Listener*, uint32_t>> due_;
  uint64_t scheduled_ = 0;
  const std::function<void()> before_each_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_TIMELINE_H_
