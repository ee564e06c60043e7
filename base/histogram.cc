#include "base/histogram.h"

#include <cmath>

namespace corewal {

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t Histogram::Percentile(double fraction) const {
  if (count_ == 0) return 0;
  const double rank = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t wanted = std::clamp<uint64_t>(static_cast<uint64_t>(rank), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen < wanted) continue;
    // The last bucket has no upper end of its own.
    return i == kBuckets - 1 ? max_ : std::clamp(HighestOf(i), min_, max_);
  }
  return max_;
}

uint64_t Histogram::LowestOf(size_t bucket) {
  if (bucket < kSub) return bucket;
  const size_t shift = (bucket >> kSubBits) - 1;
  return (kSub + (bucket & (kSub - 1))) << shift;
}

uint64_t Histogram::HighestOf(size_t bucket) {
  if (bucket < kSub) return bucket;
  return LowestOf(bucket) + (uint64_t{1} << ((bucket >> kSubBits) - 1)) - 1;
}

}  // namespace corewal
