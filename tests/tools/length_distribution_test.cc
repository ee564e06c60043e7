#include "tools/length_distribution.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

LengthDistribution Parse(absl::string_view text) {
  auto lengths = LengthDistribution::Parse(text);
  EXPECT_TRUE(lengths.ok()) << lengths.status();
  return *lengths;
}

double MeanOf(const LengthDistribution& lengths, uint64_t count) {
  double sum = 0;
  for (uint64_t seq = 1; seq <= count; ++seq) {
    sum += static_cast<double>(lengths.At(ShardId{0}, seq));
  }
  return sum / static_cast<double>(count);
}

TEST(LengthDistributionTest, ANumberIsTheLengthOfEveryRecord) {
  const LengthDistribution lengths = Parse("128");
  EXPECT_TRUE(lengths.fixed());
  EXPECT_EQ(lengths.At(ShardId{0}, 1), 128u);
  EXPECT_EQ(lengths.At(ShardId{9}, 77), 128u);
  EXPECT_EQ(lengths.mean(), 128);
  EXPECT_EQ(Parse("0").At(ShardId{0}, 1), 0u);
  EXPECT_EQ(Parse("16K").max(), 16u * 1024);
  EXPECT_EQ(Parse("1024M").max(), 1u << 30);
}

TEST(LengthDistributionTest, ARangeIsUniformAndReachesBothEnds) {
  const LengthDistribution lengths = Parse("10-13");
  std::map<uint64_t, int> seen;
  for (uint64_t seq = 1; seq <= 40'000; ++seq) ++seen[lengths.At(ShardId{0}, seq)];
  ASSERT_EQ(seen.size(), 4u);
  for (const auto& [length, count] : seen) {
    EXPECT_GE(length, 10u);
    EXPECT_LE(length, 13u);
    EXPECT_NEAR(count, 10'000, 500) << length;
  }
}

TEST(LengthDistributionTest, ZipfPrefersShortRecordsAndStaysInItsRange) {
  const LengthDistribution lengths = Parse("zipf:64-65536");
  uint64_t below_1k = 0;
  uint64_t longest = 0;
  for (uint64_t seq = 1; seq <= 100'000; ++seq) {
    const uint64_t length = lengths.At(ShardId{0}, seq);
    ASSERT_GE(length, 64u);
    ASSERT_LE(length, 65536u);
    if (length < 1024) ++below_1k;
    longest = std::max(longest, length);
  }
  EXPECT_GT(below_1k, 50'000u);
  EXPECT_GT(longest, 60'000u);
}

TEST(LengthDistributionTest, TheMeanIsThatOfTheRecords) {
  for (const char* text : {"1-1001", "zipf:64-65536", "zipf:0-1M"}) {
    const LengthDistribution lengths = Parse(text);
    EXPECT_NEAR(lengths.mean() / MeanOf(lengths, 300'000), 1, 0.02) << text;
  }
}

TEST(LengthDistributionTest, IsAFunctionOfShardAndSequence) {
  const LengthDistribution a = Parse("1-1000000");
  const LengthDistribution b = Parse("1-1000000");
  EXPECT_EQ(a.At(ShardId{3}, 17), b.At(ShardId{3}, 17));
  EXPECT_NE(a.At(ShardId{3}, 17), a.At(ShardId{4}, 17));
  EXPECT_NE(a.At(ShardId{3}, 17), a.At(ShardId{3}, 18));
}

TEST(LengthDistributionTest, RefusesOtherShapesAndQuotesThem) {
  for (const char* text : {"",         "-",     "x",     "-1",         "12x",
                           "1-",       "-5-7",  "9-3",   "zipf:",      "zipf:128",
                           "zipf:9-3", "1-2-3", "1025M", "1073741825", "99999999999999999999",
                           "1.5",      " 1",    "0x10",  "K",          "uniform:1-2"}) {
    const auto lengths = LengthDistribution::Parse(text);
    ASSERT_FALSE(lengths.ok()) << text;
    EXPECT_THAT(std::string(lengths.status().message()), testing::HasSubstr(text));
  }
}

}  // namespace
}  // namespace corewal
