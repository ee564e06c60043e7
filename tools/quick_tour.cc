#include "tools/quick_tour.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "io_backend/file_system.h"
#include "tools/bench_result.h"
#include "tools/human_units.h"
#include "tools/interrupt.h"
#include "tools/probe_run.h"
#include "tools/workload_run.h"

namespace corewal {
namespace {

constexpr uint64_t kSamplesForP999 = 10'000;

struct Part {
  absl::string_view name;  // of its directory too
  absl::string_view label;
  absl::string_view meaning;
  Workload workload;
  bool embedded;
  uint32_t clients, inflight;
  double seconds;
  uint64_t payload_bytes;
};

constexpr Part kParts[] = {
    {"commit", "commit, embedded",
     "the caller's thread runs the log; each record waits for the disk", Workload::kCommit, true, 1,
     1, 0.6, 0},
    {"commit-engine", "commit, engine", "the same through the engine's own thread",
     Workload::kCommit, false, 1, 1, 0.6, 0},
    {"commit-64", "commit, 64 in flight", "one client that need not wait: records share syncs",
     Workload::kCommit, false, 1, 64, 0.6, 0},
    {"stream", "stream, embedded", "as fast as the log accepts, all durable at the end",
     Workload::kStream, true, 1, 1, 0.6, 0},
    {"recover", "read back", "after a crash, nothing cached: read every record", Workload::kRecover,
     false, 1, 1, 0, 128'000'000},
};

BenchOptions OptionsOf(const BenchOptions& tour, const Part& part) {
  BenchOptions options = tour;
  options.workload = part.workload;
  options.directory = absl::StrCat(tour.directory, "/", part.name);
  options.embedded = part.embedded;
  options.engine.threads =
      part.embedded ? EngineOptions::Threads::kHost : EngineOptions::Threads::kEngine;
  options.engine.shards = 1;
  options.clients = part.clients;
  options.inflight = part.inflight;
  options.seconds = part.seconds > 0 ? std::optional<double>(part.seconds) : std::nullopt;
  options.payload_bytes =
      part.payload_bytes > 0 ? std::optional<uint64_t>(part.payload_bytes) : std::nullopt;
  options.records = std::nullopt;
  return options;
}

// One line of the table: at most 100 columns.
struct Row {
  std::string label, amount, p50, p99, p999, max, floor, ratio;

  std::string ToString() const {
    return absl::StrFormat("  %-21s%13s %8s %8s %8s %8s %14s %8s\n", label, amount, p50, p99, p999,
                           max, floor, ratio);
  }
};

std::string OrDash(const std::optional<double>& us) {
  return us ? HumanMicros(*us) : std::string("-");
}

std::string RowOf(const Part& part, const BenchResult& result) {
  Row row;
  row.label = std::string(part.label);
  std::string meaning(part.meaning);
  if (result.counts_records()) {
    row.amount = absl::StrCat(HumanRate(result.records_per_s()), " /s");
    if (result.floor_commits_per_s) {
      row.floor = absl::StrCat(HumanRate(*result.floor_commits_per_s), " /s");
    }
  } else {
    row.amount = HumanMbPerS(result.mb_per_s());
    if (result.floor_mb_per_s) row.floor = HumanMbPerS(*result.floor_mb_per_s);
    if (result.floor_read_mb_per_s) row.floor = HumanMbPerS(*result.floor_read_mb_per_s);
    absl::StrAppend(&meaning, "; ", HumanRate(result.records_per_s()), " records/s");
  }
  if (result.open_ms)
    absl::StrAppend(&meaning, "; open after ", HumanMicros(*result.open_ms * 1e3));
  row.p50 = OrDash(result.p50_us);
  row.p99 = OrDash(result.p99_us);
  row.p999 = OrDash(result.p999_us);
  row.max = OrDash(result.max_us);
  if (row.floor.empty()) row.floor = OrDash(std::nullopt);
  row.ratio = result.ratio_to_floor() ? HumanRatio(*result.ratio_to_floor()) : std::string("-");
  return absl::StrCat(row.ToString(), "      ", meaning, "\n");
}

// One tour through all parts.
class QuickTour {
 public:
  QuickTour(const BenchOptions& options, const ProbeFindings& findings, BenchOutput* output)
      : options_(options), findings_(findings), output_(*output) {}

  absl::StatusOr<bool> Run();

 private:
  absl::Status RunPart(const Part& part);
  void Conclude();

  const BenchOptions& options_;
  const ProbeFindings& findings_;
  BenchOutput& output_;
  bool verified_ = true;
  uint64_t records_ = 0;
  double other_cpus_ = 0, stolen_cpus_ = 0;
  std::vector<std::string> thin_;  // parts with too few latencies for a p99.9
};

absl::Status QuickTour::RunPart(const Part& part) {
  BenchOptions inside = OptionsOf(options_, part);
  // Probed once is enough for all of them.
  if (inside.engine.shard.sync_method == SyncMethod::kAuto) {
    const absl::string_view chosen = findings_.figures.sync_method;
    inside.engine.shard.sync_method = ParseSyncMethod(chosen).value_or(SyncMethod::kAuto);
  }
  ASSIGN_OR_RETURN(const BenchResult result, RunInDirectory(inside));
  output_.Print(RowOf(part, result));
  RETURN_IF_ERROR(output_.Add(inside, result, part.label, result.ToJson(inside)));
  verified_ = verified_ && result.verified();
  records_ += result.verified_records.value_or(0);
  other_cpus_ = std::max(other_cpus_, result.other_cpus.value_or(0));
  stolen_cpus_ = std::max(stolen_cpus_, result.stolen_cpus.value_or(0));
  if (result.p999_us && result.latency_samples() < kSamplesForP999) {
    thin_.push_back(
        absl::StrCat(part.label, " (", HumanCount(result.latency_samples()), " latencies)"));
  }
  if (!result.verified()) {
    output_.Print(absl::StrCat("  NOT VERIFIED: ", result.first_verify_error, "\n"));
  }
  return absl::OkStatus();
}

void QuickTour::Conclude() {
  output_.Print(absl::StrCat("\n  ", HumanCount(records_), " records read back and compared, ",
                             verified_ ? "no errors" : "with errors", "\n"));
  BenchResult weather = findings_.figures;
  weather.other_cpus = other_cpus_;
  weather.stolen_cpus = stolen_cpus_;
  for (const std::string& warning : weather.Warnings(options_)) output_.Note(warning);
  if (!thin_.empty()) {
    output_.Note(absl::StrCat("too short for a steady p99.9: ", absl::StrJoin(thin_, ", "),
                              "; fewer than ten of them are slower"));
  }
  output_.Print(
      "\nNext: wal-bench --workload=commit with the recommended flags measures that for longer; "
      "--help\n");
}

absl::StatusOr<bool> QuickTour::Run() {
  output_.Print(absl::StrCat("\n", options_.lengths.text(), "-byte records\n\n"));
  const bool floor = options_.floor;
  output_.Print(Row{"", "corewal", "p50", "p99", "p99.9", "max", floor ? "device floor" : "",
                    floor ? "ratio" : ""}
                    .ToString());
  for (const Part& part : kParts) {
    if (Interrupted()) break;
    RETURN_IF_ERROR(RunPart(part));
  }
  Conclude();
  return verified_;
}

}  // namespace

absl::StatusOr<bool> RunQuickTour(const BenchOptions& options, BenchOutput* output) {
  ASSIGN_OR_RETURN(const ProbeFindings findings, RunProbe(options));
  output->Print(findings.ToTable(options));
  output->SetTitle("corewal: a quick tour of this disk");
  for (const auto& [label, text] : findings.PageFacts()) output->AddMachineFact(label, text);
  RETURN_IF_ERROR(
      output->Add(options, findings.figures, "probe", findings.figures.ToJson(options)));
  return QuickTour(options, findings, output).Run();
}

}  // namespace corewal
