// examples/common/median.h: the middle value, which one disturbed round does not move.
#ifndef COREWAL_EXAMPLES_COMMON_MEDIAN_H_
#define COREWAL_EXAMPLES_COMMON_MEDIAN_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace examples {

// The lower one of the middle two; `values` is not empty.
inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace examples

#endif  // COREWAL_EXAMPLES_COMMON_MEDIAN_H_
