// tools/compared_rounds.h: the rounds of each value of a comparison, as one result and as a table.
//
//                        io=uring      io=posix
//   records/s               7 882         4 120
//     of the first           1.00          0.52
//     rounds         7 100..8 200  4 000..4 300
#ifndef COREWAL_TOOLS_COMPARED_ROUNDS_H_
#define COREWAL_TOOLS_COMPARED_ROUNDS_H_

#include <string>
#include <vector>

#include "tools/bench_options.h"
#include "tools/bench_result.h"

namespace corewal {

struct ComparedRounds {
  std::string name;  // "io=uring"
  std::vector<BenchResult> rounds;

  std::vector<double> rates() const;  // of each round: records or MB a second
  double median_rate() const;
  // From the slowest round to the fastest, as a part of the median; 0 for fewer than two.
  double spread() const;
  // All rounds as one run: sums, percentiles over all latencies, medians of the floor's figures.
  BenchResult Merged() const;
};

// At most 100 columns. Requires: at least one round of each.
std::string CompareTable(const std::vector<ComparedRounds>& all);
// Where the rounds themselves differ too much for the comparison, one sentence each.
std::vector<std::string> NoiseWarnings(const std::vector<ComparedRounds>& all);
// What makes the figures of each doubtful, one sentence each, with the names of those that it is
// about, unless it is about all. Requires: as many options as runs, in the same order.
std::vector<std::string> RunWarnings(const std::vector<ComparedRounds>& all,
                                     const std::vector<BenchOptions>& compared);

}  // namespace corewal

#endif  // COREWAL_TOOLS_COMPARED_ROUNDS_H_
