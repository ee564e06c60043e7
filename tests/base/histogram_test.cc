#include "base/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace corewal {
namespace {

TEST(HistogramTest, AnEmptyOneSaysZero) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.min(), 0u);
  EXPECT_EQ(h.max(), 0u);
  EXPECT_EQ(h.Percentile(0.5), 0u);
  EXPECT_EQ(h.mean(), 0.0);
}

TEST(HistogramTest, BucketsFollowEachOtherWithoutGapsOrOverlap) {
  EXPECT_EQ(Histogram::LowestOf(0), 0u);
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    ASSERT_EQ(Histogram::BucketOf(Histogram::LowestOf(i)), i);
    ASSERT_EQ(Histogram::BucketOf(Histogram::HighestOf(i)), i);
    if (i > 0) {
      ASSERT_EQ(Histogram::LowestOf(i), Histogram::HighestOf(i - 1) + 1);
    }
  }
  EXPECT_EQ(Histogram::HighestOf(Histogram::kBuckets - 1),
            (uint64_t{1} << Histogram::kValueBits) - 1);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram h;
  for (uint64_t v = 0; v < 128; ++v) h.Record(v);
  EXPECT_EQ(h.Percentile(0), 0u);
  EXPECT_EQ(h.Percentile(0.5), 63u);
  EXPECT_EQ(h.Percentile(1), 127u);
  EXPECT_EQ(h.mean(), 63.5);
}

TEST(HistogramTest, PercentilesAreAtMostOneSixtyFourthTooHighAndNeverTooLow) {
  std::mt19937_64 random(4711);
  std::lognormal_distribution<double> latencies(11, 2);
  Histogram h;
  std::vector<uint64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<uint64_t>(latencies(random)));
    h.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(fraction * 100'000));
    const double exact = static_cast<double>(values[rank - 1]);
    const double told = static_cast<double>(h.Percentile(fraction));
    EXPECT_GE(told, exact) << fraction;
    EXPECT_LE(told, exact * (1 + 1.0 / 64)) << fraction;
  }
  EXPECT_EQ(h.min(), values.front());
  EXPECT_EQ(h.max(), values.back());
}

TEST(HistogramTest, AMergeIsTheSameAsRecordingEverythingInOne) {
  Histogram a, b, all;
  for (uint64_t v = 1; v < 1'000'000; v = v * 5 / 4 + 1) {
    (v % 2 == 0 ? a : b).Record(v);
    all.Record(v);
  }
  a.Merge(b);
  EXPECT_EQ(a.count(), all.count());
  EXPECT_EQ(a.sum(), all.sum());
  EXPECT_EQ(a.min(), all.min());
  EXPECT_EQ(a.max(), all.max());
  for (const double fraction : {0.0, 0.25, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(a.Percentile(fraction), all.Percentile(fraction));
  }
  a.Merge(Histogram());
  EXPECT_EQ(a.min(), all.min());
}

TEST(HistogramTest, ValuesBeyondTheRangeKeepTheirMaximum) {
  Histogram h;
  h.Record(UINT64_MAX / 2);
  h.Record(5);
  EXPECT_EQ(h.max(), UINT64_MAX / 2);
  EXPECT_EQ(h.Percentile(1), UINT64_MAX / 2);
  EXPECT_EQ(h.Percentile(0.5), 5u);
}

}  // namespace
}  // namespace corewal
