// tools/median.h: the middle value, which one disturbed round does not move.
#ifndef COREWAL_TOOLS_MEDIAN_H_
#define COREWAL_TOOLS_MEDIAN_H_

#include <algorithm>
#include <cstddef>
#include <vector>

namespace corewal {

// Of an even number, the mean of the middle two; 0 of none.
inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace corewal

#endif  // COREWAL_TOOLS_MEDIAN_H_
