#include "base/clock.h"

#include <cerrno>
#include <ctime>

namespace corewal {
namespace {

class SystemClock final : public Clock {
 public:
  MonotonicNs Now() const override {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);  // vDSO; cannot fail for this clock
    return static_cast<MonotonicNs>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
  }
  void SleepUntil(MonotonicNs when) const override {
    const timespec t{when / 1'000'000'000, when % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
    }
  }
};

}  // namespace

uint64_t Clock::UnixNs() const {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

const Clock& Clock::System() {
  static const SystemClock clock;
  return clock;
}

}  // namespace corewal
