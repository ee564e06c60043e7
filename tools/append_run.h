// tools/append_run.h: one run of a workload that appends (commit, stream), from an empty directory
// or an existing log to a verified result.
//
//   floor slice, work slice, floor slice, work slice, ..., floor slice     then read everything
//   back
#ifndef COREWAL_TOOLS_APPEND_RUN_H_
#define COREWAL_TOOLS_APPEND_RUN_H_

#include "absl/status/statusor.h"
#include "tools/bench_options.h"
#include "tools/bench_result.h"

namespace corewal {

// Appends to the log in options.directory, which the caller has claimed and removes.
absl::StatusOr<BenchResult> RunAppends(const BenchOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_APPEND_RUN_H_
