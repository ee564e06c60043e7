// tools/ratio_bars.h: each run beside the device's floor, as bars in an inline SVG.
//
//   io=uring  |=================|======:    0.97      bar: the median; dots: the rounds
//   io=posix  |=============|          :    0.71      dashed line: the floor, 1
#ifndef COREWAL_TOOLS_RATIO_BARS_H_
#define COREWAL_TOOLS_RATIO_BARS_H_

#include <string>
#include <vector>

#include "tools/run_charts.h"

namespace corewal {

// Both sizes, as Chart::ToSvg. Empty: no run has a ratio.
std::string RatioBars(const std::vector<ChartedRun>& runs);

}  // namespace corewal

#endif  // COREWAL_TOOLS_RATIO_BARS_H_
