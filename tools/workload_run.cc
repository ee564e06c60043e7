#include "tools/workload_run.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tools/append_run.h"
#include "tools/bench_directory.h"
#include "tools/record_source.h"
#include "tools/recover_run.h"
#include "wal/format.h"

namespace corewal {

absl::StatusOr<BenchResult> RunInDirectory(const BenchOptions& options) {
  if (!options.made()) {  // what cannot be read is found out before anything is made or measured
    const absl::Status readable =
        InputRecordSource::Open(options.input, 1, kRecordBytesMax).status();
    if (!readable.ok()) {
      return absl::Status(readable.code(), absl::StrCat("--input: ", readable.message()));
    }
  }
  ASSIGN_OR_RETURN(
      const BenchDirectory directory,
      BenchDirectory::Claim(options.directory, options.resume ? BenchDirectory::Expect::kExistingLog
                                                              : BenchDirectory::Expect::kNew));
  BenchOptions inside = options;
  inside.engine.directory = options.directory;
  absl::StatusOr<BenchResult> result =
      options.workload == Workload::kRecover ? RunRecover(inside) : RunAppends(inside);
  const bool worth_a_look = result.ok() ? !result->verified() : absl::IsDataLoss(result.status());
  if (options.keep || worth_a_look) return result;
  const absl::Status removed = directory.Remove();
  if (result.ok()) RETURN_IF_ERROR(removed);
  return result;
}

}  // namespace corewal
