// tools/probe_run.h: the probe workload: what kernel, file system and disk grant, and what to make
// of it. Takes about three seconds; writes nothing that stays.
#ifndef COREWAL_TOOLS_PROBE_RUN_H_
#define COREWAL_TOOLS_PROBE_RUN_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/machine_probe.h"
#include "tools/bench_options.h"
#include "tools/bench_result.h"
#include "tools/device_facts.h"

namespace corewal {

struct ProbeFindings {
  MachineProbe machine;
  DeviceFacts device;
  int cpus = 1;            // that this process may use
  BenchResult figures;     // workload kProbe: settings that auto would choose, and the floor
  double dsync_per_s = 0;  // 4 KiB commits each way, by raw system calls
  double datasync_per_s = 0;
  std::string recommended;  // flags

  std::string ToTable(const BenchOptions& options) const;
  // What a page says of the machine besides MachineFacts: label and text.
  std::vector<std::pair<std::string, std::string>> PageFacts() const;
};

// `options.directory` exists.
absl::StatusOr<ProbeFindings> RunProbe(const BenchOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_PROBE_RUN_H_
