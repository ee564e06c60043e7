// tools/run_charts.h: what the page of wal-bench --html draws, as charts made from results.
#ifndef COREWAL_TOOLS_RUN_CHARTS_H_
#define COREWAL_TOOLS_RUN_CHARTS_H_

#include <optional>
#include <string>
#include <vector>

#include "tools/bench_result.h"
#include "tools/svg_chart.h"

namespace corewal {

// One run as a curve among others.
struct ChartedRun {
  std::string name;
  const BenchResult* result = nullptr;
  int color = 0;
};

// Records per second (commit) or payload per second over the run's clock, with segment rolls as
// marks and the device's floor as a line. All of one kind. None: no run has a series.
std::optional<Chart> ThroughputChart(const std::vector<ChartedRun>& runs);

// Latency over the percentile, both logarithmic: 50 %, 90 %, 99 %, ... None: no run has latencies.
std::optional<Chart> LatencyChart(const std::vector<ChartedRun>& runs);

}  // namespace corewal

#endif  // COREWAL_TOOLS_RUN_CHARTS_H_
