// tools/workload_run.h: one workload in a directory that is left as it was found.
#ifndef COREWAL_TOOLS_WORKLOAD_RUN_H_
#define COREWAL_TOOLS_WORKLOAD_RUN_H_

#include "absl/status/statusor.h"
#include "tools/bench_options.h"
#include "tools/bench_result.h"

namespace corewal {

// commit, stream or recover. Claims options.directory and removes the log afterwards, unless it is
// to be kept, or its verification failed and somebody will want to look at it.
absl::StatusOr<BenchResult> RunInDirectory(const BenchOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_WORKLOAD_RUN_H_
