// engine/metrics.h: what an engine counts, as a snapshot and as text for a Prometheus scraper.
//
// Counters only grow since opening; rates are the scraper's business. A busy shard's numbers are at
// most some milliseconds old.
#ifndef COREWAL_ENGINE_METRICS_H_
#define COREWAL_ENGINE_METRICS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/shard.h"
#include "wal/lsn.h"

namespace corewal {

struct EngineMetrics {
  std::vector<ShardInfo> shards;
  Epoch open_epoch;
  Epoch durable_epoch;
  absl::Status epoch_status;
  absl::Status atomic_status;   // as Engine::atomic_status()
  uint64_t atomic_batches = 0;  // begun

  // The text exposition format, version 0.0.4.
  std::string ToPrometheus() const;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_METRICS_H_
