// tools/quick_tour.h: wal-bench without --workload: in about ten seconds, what kernel and disk
// grant, what corewal does on them, and which flags to set.
#ifndef COREWAL_TOOLS_QUICK_TOUR_H_
#define COREWAL_TOOLS_QUICK_TOUR_H_

#include "absl/status/statusor.h"
#include "tools/bench_options.h"
#include "tools/bench_output.h"

namespace corewal {

// Runs in new directories under options.directory, one for each part. Returns whether all that was
// written was read back right.
absl::StatusOr<bool> RunQuickTour(const BenchOptions& options, BenchOutput* output);

}  // namespace corewal

#endif  // COREWAL_TOOLS_QUICK_TOUR_H_
