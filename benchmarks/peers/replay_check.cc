#include "benchmarks/peers/replay_check.h"

#include "absl/strings/str_cat.h"

namespace corewal::peers {

absl::Status ReplayCheck::Verify(uint64_t records, size_t record_bytes) const {
  const uint64_t sum = records == 0 ? 0 : records * (records - 1) / 2;
  if (records_ == records && bytes_ == records * record_bytes && sum_ == sum) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the replay differs: ", records_, " of ", records,
                                          " records, ", bytes_, " bytes, sum of numbers ", sum_,
                                          " instead of ", sum));
}

}  // namespace corewal::peers
