#include "tools/run_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "wal/format.h"

namespace corewal {
namespace {

constexpr double kStreamHeadroom = 1.15;
constexpr double kGuessedMbPerS = 2000;
constexpr uint32_t kSegmentsFirstMax = 256;

// What the log of a stream will hold, framing included.
double ExpectedLogBytes(const BenchOptions& options, double mb_per_s, uint64_t input_bytes) {
  double bytes = std::numeric_limits<double>::infinity();
  if (options.seconds) bytes = *options.seconds * mb_per_s * 1e6 * kStreamHeadroom;
  const double mean = options.lengths.mean();
  const double framed = (mean + kRecordFramingBytes + 2) / std::max(mean, 1.0) * 1.01;
  if (options.payload_bytes) {
    bytes = std::min(bytes, static_cast<double>(*options.payload_bytes) * framed);
  }
  if (options.records) {
    bytes = std::min(bytes, static_cast<double>(*options.records) * mean * framed);
  }
  if (!options.made()) bytes = std::min(bytes, static_cast<double>(input_bytes) * 1.5);
  return bytes;
}

uint64_t Share(uint64_t total, uint64_t parts, uint64_t index) {
  return total / parts + (index < total % parts ? 1 : 0);
}

}  // namespace

RunPlan RunPlan::For(const BenchOptions& options) {
  RunPlan plan;
  const bool time_alone =
      options.seconds && !options.payload_bytes && !options.records && options.made();
  if (time_alone && options.floor) {
    plan.rounds = *options.seconds >= 2.5 ? 5 : *options.seconds >= 0.9 ? 3 : 1;
  }
  if (options.seconds) plan.slice_s = *options.seconds / plan.rounds;
  // Each way to do it gets half.
  const double most = options.workload == Workload::kCommit ? 0.3 : 0.4;
  plan.floor_slice_s = options.seconds ? std::min(most, std::max(0.1, plan.slice_s / 2)) : most;
  return plan;
}

std::vector<SliceLimit> RunPlan::Limits(const BenchOptions& options) const {
  std::vector<SliceLimit> limits(options.clients);
  const MonotonicNs now = Clock::System().Now();
  for (uint32_t i = 0; i < options.clients; ++i) {
    if (slice_s > 0) limits[i].deadline = now + static_cast<MonotonicNs>(slice_s * 1e9);
    if (options.records) limits[i].records = Share(*options.records, options.clients, i);
    if (options.payload_bytes) {
      limits[i].payload_bytes = Share(*options.payload_bytes, options.clients, i);
    }
  }
  return limits;
}

void SizeSegments(const BenchOptions& options, double floor_mb_per_s, uint64_t input_bytes,
                  uint64_t free_bytes, ShardOptions* shard) {
  shard->segments_first = shard->segments_ready;
  if (options.workload != Workload::kStream) return;
  const double mb_per_s = floor_mb_per_s > 0 ? floor_mb_per_s : kGuessedMbPerS;
  const double wanted = std::min(ExpectedLogBytes(options, mb_per_s, input_bytes),
                                 static_cast<double>(free_bytes) / 2);
  const double per_shard = wanted / options.engine.shards;
  while (!options.segment_bytes_given && shard->segment_bytes < kSegmentBytesMax &&
         per_shard / static_cast<double>(shard->segment_bytes) > kSegmentsFirstMax - 1) {
    shard->segment_bytes *= 2;
  }
  const double segments = std::ceil(per_shard / static_cast<double>(shard->segment_bytes)) + 1;
  shard->segments_first =
      static_cast<uint32_t>(std::clamp(segments, 2.0, static_cast<double>(kSegmentsFirstMax)));
}

}  // namespace corewal
