// tools/bench_options.h: what a run of wal-bench was asked to do, checked as a whole.
//
// The flags are those of `wal-bench --help`; each is read here and nowhere else.
#ifndef COREWAL_TOOLS_BENCH_OPTIONS_H_
#define COREWAL_TOOLS_BENCH_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "tools/length_distribution.h"

namespace corewal {

enum class Workload : uint8_t { kTour, kCommit, kStream, kMixed, kRecover, kProbe };
absl::string_view WorkloadName(Workload workload);

struct BenchOptions {
  explicit BenchOptions(LengthDistribution record_lengths) : lengths(std::move(record_lengths)) {}

  Workload workload = Workload::kTour;
  std::string directory;
  bool keep = false;
  bool resume = false;

  LengthDistribution lengths;  // of made-up records
  std::string input;           // empty: made-up records; "-": standard input
  uint32_t clients = 1;
  uint32_t inflight = 1;
  bool embedded = false;

  // Length of the run: the first that is reached ends it. Without any, the input does.
  std::optional<double> seconds;
  std::optional<uint64_t> payload_bytes;
  std::optional<uint64_t> records;

  EngineOptions engine;  // shards, and the options of each
  bool segment_bytes_given = false;

  bool floor = true;
  bool verify = true;
  std::string acks;  // empty: none; "-": standard output
  std::string json;
  std::string html;      // empty: no page
  std::string compared;  // "io=uring": what tells this run from others of a comparison

  bool made() const { return input.empty(); }
};

// One run, or with --compare the same run for each value of a flag.
struct BenchCommand {
  BenchOptions options;                // of the first one
  std::vector<BenchOptions> compared;  // empty without --compare, else 2 .. 4
};

// Parses the command line. InvalidArgument: one line that says what is wrong and what to do.
absl::StatusOr<BenchCommand> ParseBenchCommand(absl::Span<char* const> arguments);

// What --help prints.
absl::string_view BenchHelp();

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_OPTIONS_H_
