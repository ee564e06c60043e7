// tools/bench_result.h: what one run of wal-bench found, for people and for programs.
#ifndef COREWAL_TOOLS_BENCH_RESULT_H_
#define COREWAL_TOOLS_BENCH_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "tools/bench_options.h"
#include "tools/json_object.h"
#include "tools/run_series.h"

namespace corewal {

// Absent figures were not measured, or mean nothing for the workload; they print as null.
struct BenchResult {
  Workload workload = Workload::kCommit;

  // Settings in effect.
  std::string io;         // "uring", "posix"
  std::string ring_mode;  // "" without a ring
  std::string sync_method;
  std::string sync_probe;
  bool direct = false;
  bool sqpoll = false;
  bool registered_buffers = false;
  bool registered_files = false;
  std::string fallback_reason;  // "": nothing was wanted and refused
  std::string file_system;
  uint64_t segment_bytes = 0;
  uint32_t buffers = 0;
  uint32_t buffer_bytes = 0;

  // The run.
  double seconds = 0;
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  std::optional<double> p50_us, p99_us, p999_us, max_us;
  Histogram latency_ns;  // append until durable; what the percentiles come from
  RunSeries series;      // commit, stream, mixed
  std::optional<double> cpu_us_per_record;
  std::optional<double> making_us_per_record;  // of it, for making the records up
  std::optional<double> other_cpus;            // CPUs busy with something else, on average
  std::optional<double> stolen_cpus;           // CPUs that the host kept from this machine

  // What the log did in that time.
  std::optional<uint64_t> syncs, writes, bytes_written;
  std::optional<uint64_t> segments_before;  // prepared before the clock started
  std::optional<uint64_t> segments_during;  // and while it ran
  std::optional<uint64_t> prepared_bytes;   // zeros written while it ran
  std::optional<double> open_ms;            // recover: until the log was open

  // mixed: the tailing reader.
  std::optional<uint64_t> reader_records, reader_lag_bytes_max, truncations;

  // The same disk by raw system calls, in the same run.
  std::optional<double> floor_commits_per_s, floor_p50_us, floor_mb_per_s, floor_read_mb_per_s;
  std::string floor_how;             // "pwritev2(RWF_DSYNC), 4 KiB, one at a time"
  std::vector<double> floor_ratios;  // of each round
  bool interrupted = false;

  std::optional<uint64_t> verified_records, verify_errors;
  std::string first_verify_error;

  double records_per_s() const { return seconds > 0 ? static_cast<double>(records) / seconds : 0; }
  double mb_per_s() const {
    return seconds > 0 ? static_cast<double>(payload_bytes) / seconds / 1e6 : 0;
  }
  // What the workload is judged by: records (commit), or payload in MB.
  bool counts_records() const { return workload == Workload::kCommit; }
  double rate() const { return counts_records() ? records_per_s() : mb_per_s(); }
  std::optional<double> write_amplification() const;
  std::optional<double> ratio_to_floor() const;  // median of the rounds
  bool verified() const { return verify_errors.value_or(0) == 0; }

  uint64_t latency_samples() const { return latency_ns.count(); }

  // Takes the percentiles from latency_ns.
  void TakePercentiles();

  // Every key of CLI.md, and more.
  JsonObject ToJson(const BenchOptions& options) const;
  // "corewal commit: 1 client, 1 in flight, 128-byte records"
  std::string Title(const BenchOptions& options) const;
  // A table of at most 100 columns; each line ends in a newline.
  std::string ToTable(const BenchOptions& options) const;
  // The settings and counts below the table's figures: label and text.
  std::vector<std::pair<std::string, std::string>> Settings(const BenchOptions& options) const;
  // What makes the figures doubtful, one sentence each.
  std::vector<std::string> Warnings(const BenchOptions& options) const;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_RESULT_H_
