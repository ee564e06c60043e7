// tools/recover_run.h: the recover workload: write a log, die, open it again, read everything back.
//
//   child:   stream --mb of records, all durable, then _exit without closing anything
//   parent:  floor slice, open + read back, floor slice, ...    each with nothing in the page cache
#ifndef COREWAL_TOOLS_RECOVER_RUN_H_
#define COREWAL_TOOLS_RECOVER_RUN_H_

#include "absl/status/statusor.h"
#include "tools/bench_options.h"
#include "tools/bench_result.h"

namespace corewal {

// In options.directory, which the caller has claimed and removes. Forks: no other thread may exist.
absl::StatusOr<BenchResult> RunRecover(const BenchOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_RECOVER_RUN_H_
