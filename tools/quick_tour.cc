#include "tools/quick_tour.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "io_backend/file_system.h"
#include "tools/bench_result.h"
#include "tools/human_units.h"
#include "tools/interrupt.h"
#include "tools/probe_run.h"
#include "tools/workload_run.h"

namespace corewal {
namespace {

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
    {"recover", "read back", "after a crash, nothing cached: open the log, read every record",
     Workload::kRecover, false, 1, 1, 0, 128'000'000},
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

std::string Row(absl::string_view label, absl::string_view result, absl::string_view latency,
                absl::string_view floor, absl::string_view ratio) {
  return absl::StrFormat("  %-21s %17s   %-24s %17s %8s\n", label, result, latency, floor, ratio);
}

std::string RowOf(const Part& part, const BenchResult& result) {
  std::string amount, latency, floor;
  if (part.workload == Workload::kCommit) {
    amount = absl::StrCat(HumanRate(result.records_per_s()), " /s");
    if (result.floor_commits_per_s) {
      floor = absl::StrCat(HumanRate(*result.floor_commits_per_s), " /s");
    }
  } else {
    amount = HumanMbPerS(result.mb_per_s());
    if (result.floor_mb_per_s) floor = HumanMbPerS(*result.floor_mb_per_s);
    if (result.floor_read_mb_per_s) floor = HumanMbPerS(*result.floor_read_mb_per_s);
  }
  if (part.workload == Workload::kCommit && result.p50_us) {
    latency = absl::StrCat("p50 ", HumanMicros(*result.p50_us), ", p99 ",
                           HumanMicros(result.p99_us.value_or(0)));
  } else if (result.open_ms) {
    latency = absl::StrCat("open ", HumanMicros(*result.open_ms * 1e3));
  } else {
    latency = absl::StrCat(HumanRate(result.records_per_s()), " records/s");
  }
  const std::string ratio =
      result.ratio_to_floor() ? HumanRatio(*result.ratio_to_floor()) : std::string("-");
  return absl::StrCat(Row(part.label, amount, latency, floor, ratio), "      ", part.meaning, "\n");
}

}  // namespace

absl::StatusOr<bool> RunQuickTour(const BenchOptions& options, BenchOutput* output) {
  ASSIGN_OR_RETURN(const ProbeFindings findings, RunProbe(options));
  output->Print(findings.ToTable(options));
  RETURN_IF_ERROR(output->PutJson(findings.figures.ToJson(options)));
  output->Print(absl::StrCat("\n", options.lengths.text(), "-byte records\n\n"));
  output->Print(
      Row("", "corewal", "", options.floor ? "device floor" : "", options.floor ? "ratio" : ""));
  bool verified = true;
  uint64_t records = 0;
  double other_cpus = 0;
  for (const Part& part : kParts) {
    if (Interrupted()) break;
    BenchOptions inside = OptionsOf(options, part);
    // Probed once is enough for all of them.
    if (inside.engine.shard.sync_method == SyncMethod::kAuto) {
      const absl::string_view chosen = findings.figures.sync_method;
      inside.engine.shard.sync_method = ParseSyncMethod(chosen).value_or(SyncMethod::kAuto);
    }
    ASSIGN_OR_RETURN(const BenchResult result, RunInDirectory(inside));
    output->Print(RowOf(part, result));
    RETURN_IF_ERROR(output->PutJson(result.ToJson(inside)));
    verified = verified && result.verified();
    records += result.verified_records.value_or(0);
    other_cpus = std::max(other_cpus, result.other_cpus.value_or(0));
    if (!result.verified()) {
      output->Print(absl::StrCat("  NOT VERIFIED: ", result.first_verify_error, "\n"));
    }
  }
  output->Print(absl::StrCat("\n  ", HumanCount(records), " records read back and compared, ",
                             verified ? "no errors" : "with errors", "\n"));
  BenchResult weather = findings.figures;
  weather.other_cpus = other_cpus;
  for (const std::string& warning : weather.Warnings(options)) {
    output->Print(absl::StrCat("\nnote: ", warning, "\n"));
  }
  output->Print(
      "\nNext: wal-bench --workload=commit|stream|recover measures one of these for "
      "longer; --help\n");
  return verified;
}

}  // namespace corewal
