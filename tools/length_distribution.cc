#include "tools/length_distribution.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "wal/format.h"

namespace corewal {
namespace {

bool ParseBytes(absl::string_view text, uint64_t* bytes) {
  uint64_t unit = 1;
  if (absl::ConsumeSuffix(&text, "K") || absl::ConsumeSuffix(&text, "k")) {
    unit = 1024;
  } else if (absl::ConsumeSuffix(&text, "M") || absl::ConsumeSuffix(&text, "m")) {
    unit = 1024 * 1024;
  }
  if (text.empty() || text.find_first_not_of("0123456789") != absl::string_view::npos) return false;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number > kRecordBytesMax / unit) return false;
  *bytes = number * unit;
  return true;
}

uint64_t Mix(uint64_t x) {  // the finalizer of splitmix64
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

}  // namespace

LengthDistribution::LengthDistribution(Shape shape, uint64_t low, uint64_t high,
                                       absl::string_view text)
    : shape_(shape),
      low_(low),
      high_(high),
      log_count_(std::log(static_cast<double>(high - low + 1))),
      text_(text) {}

absl::StatusOr<LengthDistribution> LengthDistribution::Parse(absl::string_view text) {
  absl::string_view rest = text;
  const bool zipf = absl::ConsumePrefix(&rest, "zipf:");
  uint64_t low = 0;
  uint64_t high = 0;
  const size_t dash = rest.find('-');
  if (dash == absl::string_view::npos) {
    if (!zipf && ParseBytes(rest, &low)) return LengthDistribution(Shape::kFixed, low, low, text);
  } else if (ParseBytes(rest.substr(0, dash), &low) && ParseBytes(rest.substr(dash + 1), &high) &&
             low <= high) {
    if (low == high) return LengthDistribution(Shape::kFixed, low, low, text);
    return LengthDistribution(zipf ? Shape::kZipf : Shape::kUniform, low, high, text);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\": expected N, A-B or zipf:A-B, in bytes, A <= B, at most 1 GiB (1024M)"));
}

uint64_t LengthDistribution::Draw(ShardId shard, uint64_t seq) const {
  const uint64_t bits = Mix(seq * 0x9e3779b97f4a7c15 + Mix(ToIndex(shard)));
  const uint64_t count = high_ - low_ + 1;
  if (shape_ == Shape::kUniform) {
    return low_ + static_cast<uint64_t>(static_cast<unsigned __int128>(bits) * count >> 64);
  }
  // The inverse of the distribution function: exp(u ln count) is in [1, count].
  const double u = static_cast<double>(bits >> 11) * 0x1p-53;
  const auto k = static_cast<uint64_t>(std::exp(u * log_count_)) - 1;
  return low_ + std::min(k, count - 1);
}

double LengthDistribution::mean() const {
  const auto low = static_cast<double>(low_);
  const auto high = static_cast<double>(high_);
  if (shape_ == Shape::kFixed) return low;
  if (shape_ == Shape::kUniform) return (low + high) / 2;
  // Of exp(u ln n) with uniform u: (n-1) / ln n; rounding down takes about half a byte.
  return low + (high - low) / log_count_ - 1.5;
}

}  // namespace corewal
