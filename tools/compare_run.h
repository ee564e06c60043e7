// tools/compare_run.h: wal-bench --compare: the same run for each value of a flag, side by side.
//
//   round 1: A B   round 2: B A   round 3: A B   ...
//
// Each run of a round is complete: a log of its own, opened, appended to, verified and removed, so
// nothing of one value's run lives while another's is measured. Short and interleaved, so that what
// the machine does meanwhile strikes all of them.
#ifndef COREWAL_TOOLS_COMPARE_RUN_H_
#define COREWAL_TOOLS_COMPARE_RUN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench_options.h"
#include "tools/bench_output.h"

namespace corewal {

// `compared`: 2 .. 4, told apart by `compared` of each. Returns whether all was verified.
absl::StatusOr<bool> RunCompare(const std::vector<BenchOptions>& compared, BenchOutput* output);

}  // namespace corewal

#endif  // COREWAL_TOOLS_COMPARE_RUN_H_
