#include "tools/bench_program.h"

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tools/bench_directory.h"
#include "tools/bench_output.h"
#include "tools/bench_result.h"
#include "tools/compare_run.h"
#include "tools/probe_run.h"
#include "tools/quick_tour.h"
#include "tools/workload_run.h"

namespace corewal {
namespace {

absl::StatusOr<bool> ProbeOrTour(const BenchOptions& options, BenchOutput* output) {
  if (options.workload == Workload::kTour) return RunQuickTour(options, output);
  ASSIGN_OR_RETURN(const ProbeFindings findings, RunProbe(options));
  output->Print(findings.ToTable(options));
  for (const std::string& warning : findings.figures.Warnings(options)) {
    output->Print("\nnote: " + warning + "\n");
  }
  RETURN_IF_ERROR(
      output->Add(options, findings.figures, "probe", findings.figures.ToJson(options)));
  for (const auto& [label, text] : findings.PageFacts()) output->AddMachineFact(label, text);
  output->SetTitle(absl::StrCat("corewal: what ", options.directory, " grants"));
  return true;
}

absl::StatusOr<bool> RunProbing(const BenchOptions& options, BenchOutput* output) {
  ASSIGN_OR_RETURN(const BenchDirectory directory,
                   BenchDirectory::Claim(options.directory, BenchDirectory::Expect::kNew));
  absl::StatusOr<bool> verified = ProbeOrTour(options, output);
  const bool keep = options.keep || !verified.value_or(true);
  if (keep) return verified;
  const absl::Status removed = directory.Remove();
  if (verified.ok()) RETURN_IF_ERROR(removed);
  return verified;
}

absl::StatusOr<bool> RunOne(const BenchOptions& options, BenchOutput* output) {
  if (options.workload == Workload::kTour || options.workload == Workload::kProbe) {
    return RunProbing(options, output);
  }
  ASSIGN_OR_RETURN(const BenchResult result, RunInDirectory(options));
  RETURN_IF_ERROR(output->Report(options, result));
  return result.verified();
}

// Whether everything was verified.
absl::StatusOr<bool> Run(const BenchCommand& command) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BenchOutput> output, BenchOutput::Open(command.options));
  ASSIGN_OR_RETURN(const bool verified, command.compared.empty()
                                            ? RunOne(command.options, output.get())
                                            : RunCompare(command.compared, output.get()));
  RETURN_IF_ERROR(output->Finish());
  return verified;
}

}  // namespace

int RunBench(const BenchCommand& command) {
  const absl::StatusOr<bool> verified = Run(command);
  if (verified.ok()) return *verified ? kBenchExitGood : kBenchExitVerify;
  // Waiting cannot help any more, or we would have waited: space is what has run out.
  const char* const hint = absl::IsResourceExhausted(verified.status())
                               ? "; free space there, or ask for less with --mb"
                               : "";
  std::fprintf(stderr, "wal-bench: %s%s\n", std::string(verified.status().message()).c_str(), hint);
  return absl::IsDataLoss(verified.status()) ? kBenchExitVerify : kBenchExitUsage;
}

}  // namespace corewal
