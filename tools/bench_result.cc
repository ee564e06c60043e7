#include "tools/bench_result.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/human_units.h"
#include "tools/json_object.h"
#include "tools/median.h"
#include "tools/report_lines.h"
#include "wal/sync_method.h"

namespace corewal {
namespace {

constexpr double kOtherCpusMax = 0.3;
constexpr double kStolenCpusMax = 0.05;

std::string Plural(uint64_t count, absl::string_view noun) {
  return absl::StrCat(HumanCount(count), " ", noun, count == 1 ? "" : "s");
}

std::string RecordsText(const BenchOptions& options) {
  if (!options.made()) {
    return absl::StrCat("lines of ", options.input == "-" ? "standard input" : options.input);
  }
  return absl::StrCat(options.lengths.text(), "-byte records");
}

std::string FloorText(const BenchResult& result) {
  std::string text;
  if (result.floor_commits_per_s) {
    text = absl::StrCat(HumanRate(*result.floor_commits_per_s), " commits/s, p50 ",
                        HumanMicros(result.floor_p50_us.value_or(0)));
  } else if (result.floor_mb_per_s) {
    text = HumanMbPerS(*result.floor_mb_per_s);
  } else if (result.floor_read_mb_per_s) {
    text = HumanMbPerS(*result.floor_read_mb_per_s);
  }
  return absl::StrCat(text, ": ", result.floor_how);
}

std::string RatioText(const BenchResult& result) {
  const auto& ratios = result.floor_ratios;
  if (ratios.size() == 1) return HumanRatio(ratios[0]);
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  return absl::StrCat(HumanRatio(*result.ratio_to_floor()), "  (median of ", ratios.size(),
                      " interleaved rounds, ", HumanRatio(*low), " to ", HumanRatio(*high), ")");
}

std::string SettingsText(const BenchResult& result) {
  std::vector<std::string> parts = {
      absl::StrCat("io ", result.io,
                   result.ring_mode.empty() ? "" : absl::StrCat(" (", result.ring_mode, ")")),
      absl::StrCat("sync ", result.sync_method), result.direct ? "O_DIRECT" : "buffered"};
  if (!result.ring_mode.empty()) {
    parts.push_back(result.registered_buffers ? "registered buffers" : "plain buffers");
    parts.push_back(result.registered_files ? "registered files" : "plain files");
  }
  if (result.buffers == 0) return absl::StrJoin(parts, ", ");  // a probe makes none
  parts.push_back(absl::StrCat(result.buffers, " x ", HumanBytes(result.buffer_bytes)));
  parts.push_back(absl::StrCat(HumanBytes(result.segment_bytes), " segments"));
  return absl::StrJoin(parts, ", ");
}

std::string LogText(const BenchResult& result) {
  std::string text = absl::StrCat(Plural(result.writes.value_or(0), "write"), ", ",
                                  HumanBytes(result.bytes_written.value_or(0)));
  if (const auto amplification = result.write_amplification()) {
    absl::StrAppend(&text, " (", HumanRatio(*amplification), " x payload), ");
  } else {
    absl::StrAppend(&text, ", ");
  }
  absl::StrAppend(&text, Plural(result.syncs.value_or(0), "sync"));
  if (result.syncs.value_or(0) > 0) {
    absl::StrAppend(
        &text, ", ",
        HumanRatio(static_cast<double>(result.records) / static_cast<double>(*result.syncs)),
        " records each");
  }
  return text;
}

std::string CpuText(const BenchResult& result) {
  std::string text = absl::StrCat(HumanMicros(*result.cpu_us_per_record), " a record");
  if (result.making_us_per_record) {
    absl::StrAppend(&text, ", of which ", HumanMicros(*result.making_us_per_record),
                    " to make it up");
  }
  return absl::StrCat(text, "; all threads, user and kernel, io_uring's pollers and workers");
}

std::string SegmentsText(const BenchResult& result) {
  std::string text =
      absl::StrCat(Plural(*result.segments_before, "segment"), " prepared before the clock");
  const uint64_t during = result.segments_during.value_or(0);
  if (during > 0) {
    absl::StrAppend(&text, "; ", during, " more while it ran, with ",
                    HumanBytes(result.prepared_bytes.value_or(0)),
                    " of zeros, not in the amount above");
  }
  return text;
}

}  // namespace

std::string BenchResult::Title(const BenchOptions& options) const {
  if (workload == Workload::kProbe) return absl::StrCat("corewal probe of ", options.directory);
  std::string title = absl::StrCat("corewal ", WorkloadName(workload), ": ");
  if (workload != Workload::kRecover) {
    absl::StrAppend(&title, Plural(options.clients, "client"),
                    options.embedded ? " running the shard itself, " : ", ");
    if (workload == Workload::kCommit) {
      absl::StrAppend(&title, options.inflight, " in flight", options.clients > 1 ? " each" : "",
                      ", ");
    }
  }
  if (options.engine.shards > 1) absl::StrAppend(&title, options.engine.shards, " shards, ");
  return absl::StrCat(title, RecordsText(options));
}

void BenchResult::TakePercentiles() {
  if (latency_ns.count() == 0) return;
  p50_us = static_cast<double>(latency_ns.Percentile(0.5)) / 1e3;
  p99_us = static_cast<double>(latency_ns.Percentile(0.99)) / 1e3;
  p999_us = static_cast<double>(latency_ns.Percentile(0.999)) / 1e3;
  max_us = static_cast<double>(latency_ns.max()) / 1e3;
}

std::optional<double> BenchResult::write_amplification() const {
  if (!bytes_written.has_value() || payload_bytes == 0) return std::nullopt;
  return static_cast<double>(*bytes_written) / static_cast<double>(payload_bytes);
}

std::optional<double> BenchResult::ratio_to_floor() const {
  if (floor_ratios.empty()) return std::nullopt;
  return Median(floor_ratios);
}

JsonObject BenchResult::ToJson(const BenchOptions& options) const {
  JsonObject json;
  json.Put("workload", WorkloadName(workload)).Put("io", io);
  if (options.made()) {
    if (options.lengths.fixed()) {
      json.Put("record_bytes", options.lengths.max());
    } else {
      json.Put("record_bytes", options.lengths.text());
    }
  } else {
    json.Put("record_bytes", std::optional<uint64_t>());
  }
  const bool probe = workload == Workload::kProbe;
  const auto figure = [probe](auto value) {
    return probe ? std::optional<decltype(value)>() : std::optional<decltype(value)>(value);
  };
  json.Put("clients", figure(options.clients))
      .Put("inflight",
           workload == Workload::kCommit ? std::optional<uint32_t>(options.inflight) : std::nullopt)
      .Put("shards", options.engine.shards)
      .Put("embedded", options.embedded)
      .Put("seconds", figure(seconds))
      .Put("records", figure(records))
      .Put("records_per_s", figure(records_per_s()))
      .Put("mb_per_s", figure(mb_per_s()))
      .Put("p50_us", p50_us)
      .Put("p99_us", p99_us)
      .Put("p999_us", p999_us)
      .Put("max_us", max_us)
      .Put("cpu_us_per_record", cpu_us_per_record)
      .Put("syncs", syncs)
      .Put("writes", writes)
      .Put("bytes_written", bytes_written)
      .Put("write_amplification", write_amplification())
      .Put("sync_method", sync_method)
      .Put("direct", direct)
      .Put("sqpoll", sqpoll)
      .Put("registered_buffers", registered_buffers)
      .Put("registered_files", registered_files);
  json.Put("fallback_reason",
           fallback_reason.empty() ? std::nullopt : std::optional<std::string>(fallback_reason))
      .Put("file_system", file_system)
      .Put("floor_commits_per_s", floor_commits_per_s)
      .Put("floor_p50_us", floor_p50_us)
      .Put("floor_mb_per_s", floor_mb_per_s)
      .Put("floor_read_mb_per_s", floor_read_mb_per_s)
      .Put("ratio_to_floor", ratio_to_floor())
      .Put("verified_records", verified_records)
      .Put("verify_errors", verify_errors)
      .Put("rounds", floor_ratios.size())
      .Put("making_us_per_record", making_us_per_record)
      .Put("open_ms", open_ms)
      .Put("other_cpus", other_cpus)
      .Put("stolen_cpus", stolen_cpus)
      .Put("latency_samples", latency_samples())
      .Put("segments_prepared_before", segments_before)
      .Put("segments_prepared_during", segments_during)
      .Put("prepared_bytes_during", prepared_bytes)
      .Put("reader_records", reader_records)
      .Put("reader_lag_bytes_max", reader_lag_bytes_max)
      .Put("truncations", truncations)
      .Put("interrupted", interrupted);
  return json;
}

std::string BenchResult::ToTable(const BenchOptions& options) const {
  std::string table = absl::StrCat(Title(options), "\n\n");
  AddReportLine(&table, "records",
                absl::StrCat(HumanCount(records), " in ", HumanSeconds(seconds), ": ",
                             HumanRate(records_per_s()), " a second, ", HumanMbPerS(mb_per_s()),
                             " of payload"));
  if (open_ms)
    AddReportLine(&table, "open",
                  absl::StrCat(HumanMicros(*open_ms * 1e3), " until the log was open again"));
  if (p50_us) {
    AddReportLine(
        &table, "latency",
        absl::StrCat("p50 ", HumanMicros(*p50_us), "   p99 ", HumanMicros(p99_us.value_or(0)),
                     "   p99.9 ", HumanMicros(p999_us.value_or(0)), "   max ",
                     HumanMicros(max_us.value_or(0)), "   (append until durable)"));
  }
  for (const auto& [label, text] : Settings(options)) AddReportLine(&table, label, text);
  if (!first_verify_error.empty()) AddReportLine(&table, "first error", first_verify_error);
  if (interrupted) AddReportLine(&table, "interrupted", "these are the figures so far");
  return table;
}

std::vector<std::pair<std::string, std::string>> BenchResult::Settings(
    const BenchOptions& options) const {
  std::vector<std::pair<std::string, std::string>> lines;
  if (cpu_us_per_record) lines.emplace_back("CPU", CpuText(*this));
  if (writes) lines.emplace_back("log", LogText(*this));
  if (segments_before) lines.emplace_back("segments", SegmentsText(*this));
  if (reader_records) {
    lines.emplace_back(
        "tailing reader",
        absl::StrCat(HumanCount(*reader_records), " records, at most ",
                     HumanBytes(reader_lag_bytes_max.value_or(0)), " of log behind; truncated ",
                     truncations.value_or(0), truncations.value_or(0) == 1 ? " time" : " times"));
  }
  if (!floor_ratios.empty()) {
    lines.emplace_back("device floor", FloorText(*this));
    lines.emplace_back("ratio to floor", RatioText(*this));
  }
  if (!io.empty()) lines.emplace_back("settings", SettingsText(*this));
  if (!sync_probe.empty()) lines.emplace_back("sync chosen by", sync_probe);
  if (!fallback_reason.empty()) lines.emplace_back("not granted", fallback_reason);
  lines.emplace_back("directory", absl::StrCat(options.directory, " (", file_system, ")"));
  if (verified_records) {
    lines.emplace_back(
        "verified", absl::StrCat(HumanCount(*verified_records), " records read back and compared, ",
                                 Plural(verify_errors.value_or(0), "error")));
  }
  return lines;
}

std::vector<std::string> BenchResult::Warnings(const BenchOptions& options) const {
  std::vector<std::string> warnings;
  if (file_system == "tmpfs" || file_system == "ramfs") {
    warnings.push_back(absl::StrCat(options.directory, " is on ", file_system,
                                    ", which is memory: nothing here survives a power cut, and "
                                    "the figures say nothing about a disk; use --dir"));
  } else if (file_system == "overlayfs" || file_system == "overlay") {
    warnings.push_back(absl::StrCat(options.directory,
                                    " is on an overlay (a container's own file system); name a "
                                    "mounted volume with --dir to measure its disk"));
  }
  if (other_cpus.value_or(0) > kOtherCpusMax) {
    warnings.push_back(absl::StrCat(
        "other programs kept ", HumanRatio(*other_cpus),
        " CPUs busy meanwhile; expect better and steadier figures on a quiet machine"));
  }
  if (stolen_cpus.value_or(0) > kStolenCpusMax) {
    warnings.push_back(absl::StrCat(
        "the host kept ", HumanRatio(*stolen_cpus),
        " CPUs from this virtual machine meanwhile (steal): it is shared; measure again when it is "
        "not, or on a machine of its own"));
  }
  if (p999_us && latency_samples() < 10'000) {
    warnings.push_back(absl::StrCat("only ", latency_samples(),
                                    " latencies were taken: p99.9 rests on fewer than ten of them; "
                                    "use a longer --seconds"));
  }
  if (workload != Workload::kRecover && records > 0 && seconds < 0.5) {
    warnings.push_back("the run took less than half a second: too short to mean much");
  }
  return warnings;
}

}  // namespace corewal
