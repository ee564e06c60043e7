// base/seeded_random.h: the same numbers for the same seed, on every machine and in every build.
//
// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a counter in steps of the golden ratio, mixed. For
// simulations and tests; identities come from base/random.h.
// Thread: one at a time.
#ifndef COREWAL_BASE_SEEDED_RANDOM_H_
#define COREWAL_BASE_SEEDED_RANDOM_H_

#include <cstdint>

#include "base/check.h"

namespace corewal {

class SeededRandom {
 public:
  static constexpr uint32_t kMillion = 1'000'000;

  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 .. limit - 1. Slightly uneven for limits near 2^64, which nobody has.
  uint64_t Below(uint64_t limit) {
    CHECK_GT(limit, 0u);
    return Next() % limit;
  }
  // min .. max.
  uint64_t Between(uint64_t min, uint64_t max) { return min + Below(max - min + 1); }
  // Draws a number only if the answer is open.
  bool Chance(uint32_t per_million) {
    if (per_million == 0) return false;
    return per_million >= kMillion || Below(kMillion) < per_million;
  }

 private:
  uint64_t state_;
};

}  // namespace corewal

#endif  // COREWAL_BASE_SEEDED_RANDOM_H_
