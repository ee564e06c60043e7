// benchmarks/peers/run_result.h: what one run of peerbench found, and its line of JSON.
//
// The keys are those of wal-bench where they mean the same (README.md has the table).
#ifndef COREWAL_BENCHMARKS_PEERS_RUN_RESULT_H_
#define COREWAL_BENCHMARKS_PEERS_RUN_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/histogram.h"
#include "benchmarks/peers/io_counters.h"
#include "benchmarks/peers/run_config.h"

namespace corewal::peers {

struct RunResult {
  double seconds = 0;
  uint64_t records = 0;
  Histogram latency_ns;             // of one commit; empty in the other modes
  double cpu_s = 0;                 // this process and the peer's server, user and system
  std::optional<double> machine_s;  // all CPUs, busy with anything
  std::optional<IoCounters> io;     // none: not counted
  double probe_before_us = 0;
  double probe_after_us = 0;

  // One object, without a newline.
  std::string ToJson(const RunConfig& config, const std::string& notes) const;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RUN_RESULT_H_
