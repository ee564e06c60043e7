// tools/length_distribution.h: how long each made-up record is.
//
//   128          every record 128 bytes
//   64-4096      uniform, both ends included
//   zipf:64-1M   short ones most often: length A+k with a weight of about 1/(k+1)
//
// The length is a function of shard and sequence alone, so a second run makes the same records.
// Numbers may end in K or M (1024 and 1024^2).
#ifndef COREWAL_TOOLS_LENGTH_DISTRIBUTION_H_
#define COREWAL_TOOLS_LENGTH_DISTRIBUTION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "wal/lsn.h"

namespace corewal {

class LengthDistribution {
 public:
  // InvalidArgument: another shape, A > B, or more than 1 GiB.
  static absl::StatusOr<LengthDistribution> Parse(absl::string_view text);

  // Bytes of record `seq` of `shard`.
  uint64_t At(ShardId shard, uint64_t seq) const {
    return shape_ == Shape::kFixed ? low_ : Draw(shard, seq);
  }
  double mean() const;
  uint64_t max() const { return high_; }
  bool fixed() const { return shape_ == Shape::kFixed; }
  const std::string& text() const { return text_; }

 private:
  enum class Shape : uint8_t { kFixed, kUniform, kZipf };
  LengthDistribution(Shape shape, uint64_t low, uint64_t high, absl::string_view text);
  uint64_t Draw(ShardId shard, uint64_t seq) const;

  Shape shape_;
  uint64_t low_;
  uint64_t high_;
  double log_count_;  // kZipf: ln of how many lengths there are
  std::string text_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_LENGTH_DISTRIBUTION_H_
