// io_backend/pool_sizer.h: when a buffer pool grows and when it shrinks, and by how much.
//
//   a request finds none free  -> grow by half of what there is, at most kGrowthBytesMax
//   `idle` passed, and fewer   -> shrink to the most that were in use at once meanwhile
//
// Bounded on both sides. After a growth that was refused it asks for no other until the pool has
// shrunk: what was refused once would be refused again, at the price of system calls.
// Thread: one at a time.
#ifndef COREWAL_IO_BACKEND_POOL_SIZER_H_
#define COREWAL_IO_BACKEND_POOL_SIZER_H_

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace corewal {

class PoolSizer {
 public:
  static constexpr uint64_t kGrowthBytesMax = 4u << 20;  // at once: 1.5 ms, mostly of page faults

  struct Bounds {
    uint32_t buffers_min = 1;
    uint32_t buffers_max = 1;
    uint32_t buffer_bytes = 4096;
    MonotonicNs idle_ns = 0;
  };
  explicit PoolSizer(const Bounds& bounds) : bounds_(bounds) {}

  // A request found none of `buffers` free: the size to grow to; `buffers`: not at all.
  uint32_t GrowTo(uint32_t buffers) const {
    if (refused_ || buffers >= bounds_.buffers_max) return buffers;
    const uint64_t most = std::max<uint64_t>(1, kGrowthBytesMax / bounds_.buffer_bytes);
    const uint64_t more = std::clamp<uint64_t>(buffers / 2, 1, most);
    return static_cast<uint32_t>(std::min<uint64_t>(bounds_.buffers_max, buffers + more));
  }
  void Grown(MonotonicNs now) { watched_since_ = now; }
  void Refused() { refused_ = true; }

  // Whether it is worth to ask for the time and call TimeToShrink: cheap.
  bool MayShrink(uint32_t buffers) const { return buffers > bounds_.buffers_min; }
  // Whether the pool was watched for long enough. If so, watching starts again.
  bool TimeToShrink(MonotonicNs now) {
    if (now - watched_since_ < bounds_.idle_ns) return false;
    watched_since_ = now;
    return true;
  }
  uint32_t ShrinkTo(uint32_t in_use_max) const { return std::max(bounds_.buffers_min, in_use_max); }
  void Shrunk() { refused_ = false; }

 private:
  const Bounds bounds_;
  MonotonicNs watched_since_ = 0;
  bool refused_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_POOL_SIZER_H_
