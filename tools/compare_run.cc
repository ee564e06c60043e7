#include "tools/compare_run.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tools/bench_directory.h"
#include "tools/compared_rounds.h"
#include "tools/interrupt.h"
#include "tools/workload_run.h"
#include "wal/sync_method.h"

namespace corewal {
namespace {

class CompareRun {
 public:
  CompareRun(const std::vector<BenchOptions>& compared, BenchOutput* output)
      : compared_(compared), inside_(compared), output_(*output) {}

  absl::StatusOr<bool> Run();

 private:
  void PlanRounds();
  absl::Status RunRounds();
  absl::Status RunOne(size_t index);
  absl::StatusOr<bool> Report();

  const std::vector<BenchOptions>& compared_;
  std::vector<BenchOptions> inside_;  // of one round
  BenchOutput& output_;
  int rounds_ = 3;
  std::vector<ComparedRounds> results_;
};

void CompareRun::PlanRounds() {
  for (size_t i = 0; i < inside_.size(); ++i) {
    BenchOptions& options = inside_[i];
    const bool same_place = compared_[0].directory == compared_[1].directory;
    if (same_place) absl::StrAppend(&options.directory, "/compare-", i);
    const bool time_alone = options.seconds && !options.payload_bytes && !options.records;
    if (time_alone) {
      rounds_ = *options.seconds >= 1.5 ? 5 : 3;
      options.seconds = *options.seconds / rounds_;
    }
    results_.push_back({options.compared, {}});
  }
}

absl::Status CompareRun::RunOne(size_t index) {
  BenchOptions& options = inside_[index];
  ASSIGN_OR_RETURN(BenchResult result, RunInDirectory(options));
  // What auto chose in the first round holds for all of them.
  if (options.engine.shard.sync_method == SyncMethod::kAuto) {
    options.engine.shard.sync_method =
        ParseSyncMethod(result.sync_method).value_or(SyncMethod::kAuto);
  }
  if (result.records > 0 || !result.verified()) {
    results_[index].rounds.push_back(std::move(result));
  }
  return absl::OkStatus();
}

absl::Status CompareRun::RunRounds() {
  for (int round = 0; round < rounds_ && !Interrupted(); ++round) {
    for (size_t i = 0; i < inside_.size() && !Interrupted(); ++i) {
      // To and fro: what grows or wears out on the way is not always the same one's.
      RETURN_IF_ERROR(RunOne(round % 2 == 0 ? i : inside_.size() - 1 - i));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CompareRun::Report() {
  for (const ComparedRounds& rounds : results_) {
    if (rounds.rounds.empty()) {
      return absl::AbortedError("interrupted before each value had its first round");
    }
  }
  const std::vector<std::string> noise = NoiseWarnings(results_);
  std::string title = "corewal: ";
  bool verified = true;
  for (size_t i = 0; i < results_.size(); ++i) {
    const BenchResult merged = results_[i].Merged();
    verified = verified && merged.verified();
    JsonObject json = merged.ToJson(compared_[i]);
    json.Put("compared", results_[i].name)
        .Put("compared_rates", results_[i].rates())
        .Put("compared_spread", results_[i].spread());
    RETURN_IF_ERROR(output_.Add(compared_[i], merged, results_[i].name, json));
    absl::StrAppend(&title, i > 0 ? " beside " : "", results_[i].name);
  }
  const BenchResult first = results_[0].Merged();
  output_.Print(absl::StrCat(first.Title(compared_[0]), "\n", results_[0].rounds.size(),
                             " interleaved rounds; rates are medians of them, latencies are of all "
                             "of them\n\n",
                             CompareTable(results_)));
  output_.SetTitle(title, absl::StrCat(first.Title(compared_[0]), "; ", results_[0].rounds.size(),
                                       " interleaved rounds, all of them in the figures below"));
  for (const std::string& warning : noise) output_.Note(warning);
  // On the page they stand with their runs.
  for (const std::string& warning : RunWarnings(results_, compared_)) {
    output_.Print("\nnote: " + warning + "\n");
  }
  return verified;
}

absl::StatusOr<bool> CompareRun::Run() {
  PlanRounds();
  const std::string& directory = compared_[0].directory;
  if (directory != compared_[1].directory) {  // the directories are what is compared
    RETURN_IF_ERROR(RunRounds());
    return Report();
  }
  ASSIGN_OR_RETURN(const BenchDirectory claimed,
                   BenchDirectory::Claim(directory, BenchDirectory::Expect::kNew));
  absl::Status status = RunRounds();
  absl::StatusOr<bool> verified = status.ok() ? Report() : status;
  if (!verified.value_or(true)) return verified;  // worth a look
  const absl::Status removed = claimed.Remove();
  if (verified.ok()) RETURN_IF_ERROR(removed);
  return verified;
}

}  // namespace

absl::StatusOr<bool> RunCompare(const std::vector<BenchOptions>& compared, BenchOutput* output) {
  return CompareRun(compared, output).Run();
}

}  // namespace corewal
