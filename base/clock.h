// base/clock.h: time as a dependency, so that the simulator can own it.
//
// Everything is ordered by monotonic time; the wall clock's is for people.
#ifndef COREWAL_BASE_CLOCK_H_
#define COREWAL_BASE_CLOCK_H_

#include <cstdint>
#include <limits>

namespace corewal {

// Nanoseconds of CLOCK_MONOTONIC, or of the simulator's clock.
using MonotonicNs = int64_t;

inline constexpr MonotonicNs kNever = std::numeric_limits<MonotonicNs>::max();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicNs Now() const = 0;
  // Returns at `when` or soon after; at once if it has passed.
  virtual void SleepUntil(MonotonicNs when) const = 0;
  // Nanoseconds since 1970, CLOCK_REALTIME unless overridden. Orders nothing: it may jump.
  virtual uint64_t UnixNs() const;

  // CLOCK_MONOTONIC. Any thread. Never destroyed.
  static const Clock& System();
};

}  // namespace corewal

#endif  // COREWAL_BASE_CLOCK_H_
