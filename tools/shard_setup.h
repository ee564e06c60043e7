// tools/shard_setup.h: gets a shard ready before the clock starts.
#ifndef COREWAL_TOOLS_SHARD_SETUP_H_
#define COREWAL_TOOLS_SHARD_SETUP_H_

#include "absl/status/status.h"
#include "engine/engine.h"
#include "engine/shard.h"
#include "tools/bench_client.h"

namespace corewal {

// Both wait until `segments` are prepared, or no more can be (disk full, interrupt).

// Attaches the shard to the calling thread, which runs it from now on. `result` gets its counters
// and the error, if any; null then.
Shard* AttachAndPrepare(Engine& engine, ShardId shard, uint64_t segments, SliceResult* result);
// Closes such a shard. Null: nothing to do.
void CloseAttached(Shard* shard, SliceResult* result);
// Of a shard that the engine runs.
absl::Status PrepareEngineShard(const Engine& engine, ShardId shard, uint64_t segments);

}  // namespace corewal

#endif  // COREWAL_TOOLS_SHARD_SETUP_H_
