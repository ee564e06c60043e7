// tools/run_plan.h: how a run is cut into rounds, and how much log it will need.
#ifndef COREWAL_TOOLS_RUN_PLAN_H_
#define COREWAL_TOOLS_RUN_PLAN_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "tools/bench_client.h"
#include "tools/bench_options.h"

namespace corewal {

struct RunPlan {
  // Runs limited by time alone are cut into rounds, so that the floor is measured in between.
  int rounds = 1;
  double slice_s = 0;  // 0: not limited by time
  double floor_slice_s = 0;

  static RunPlan For(const BenchOptions& options);
  // For each client, from now on.
  std::vector<SliceLimit> Limits(const BenchOptions& options) const;
};

// Segments to prepare before the clock starts, so that the run is not slowed down by preparing
// them meanwhile; makes segments larger, unless their size was given, if there would be too many.
// `floor_mb_per_s`: what the disk can write, 0 if not known. `free_bytes`: at most half is used.
void SizeSegments(const BenchOptions& options, double floor_mb_per_s, uint64_t input_bytes,
                  uint64_t free_bytes, ShardOptions* shard);

}  // namespace corewal

#endif  // COREWAL_TOOLS_RUN_PLAN_H_
