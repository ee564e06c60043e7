// base/histogram.h: how values such as latencies are distributed, in fixed memory.
//
//   bucket widths:  | 1 1 1 .. 1 | 1 .. 1 | 2 .. 2 | 4 .. 4 | ...   64 buckets to a power of two
//   values:         0            64      128      256      512
//
// Percentiles are at most 1/64 (1.6 %) above the true value and never below it; min, max, count and
// sum are exact. Recording costs a few instructions and allocates nothing.
// Thread: one at a time; each thread keeps its own and they are merged.
#ifndef COREWAL_BASE_HISTOGRAM_H_
#define COREWAL_BASE_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace corewal {

class Histogram {
 public:
  // Larger values count into the last bucket. In nanoseconds: 73 minutes.
  static constexpr int kValueBits = 42;

  void Record(uint64_t value) {
    ++buckets_[BucketOf(value)];
    ++count_;
    sum_ += value;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }
  void Merge(const Histogram& other);
  void Clear() { *this = Histogram(); }

  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  uint64_t min() const { return count_ == 0 ? 0 : min_; }
  uint64_t max() const { return max_; }
  double mean() const;
  // The smallest value that at least `fraction` (0 .. 1) of the values do not exceed; 0 if empty.
  uint64_t Percentile(double fraction) const;

  // For plots: the buckets that hold something are [LowestOf(i), HighestOf(i)].
  static constexpr size_t kSubBits = 6;
  static constexpr size_t kSub = size_t{1} << kSubBits;
  static constexpr size_t kBuckets = (kValueBits - kSubBits + 1) * kSub;
  uint64_t CountOf(size_t bucket) const { return buckets_[bucket]; }
  static size_t BucketOf(uint64_t value);
  static uint64_t LowestOf(size_t bucket);
  static uint64_t HighestOf(size_t bucket);

 private:
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
};

inline size_t Histogram::BucketOf(uint64_t value) {
  if (value < kSub) return value;
  if (value >> kValueBits != 0) return kBuckets - 1;
  const size_t shift = 63 - static_cast<size_t>(__builtin_clzll(value)) - kSubBits;
  return (shift << kSubBits) + (value >> shift);
}

}  // namespace corewal

#endif  // COREWAL_BASE_HISTOGRAM_H_
