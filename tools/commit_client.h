// tools/commit_client.h: the closed loop: at most `inflight` records of a client are
// unacknowledged.
//
//   engine     Append to the shard's thread, wait for the oldest future
//   embedded   append to the shard that this very thread runs, wait until it is durable
#ifndef COREWAL_TOOLS_COMMIT_CLIENT_H_
#define COREWAL_TOOLS_COMMIT_CLIENT_H_

#include <cstdint>
#include <memory>

#include "engine/engine.h"
#include "tools/ack_log.h"
#include "tools/bench_client.h"
#include "tools/shard_feed.h"

namespace corewal {

struct CommitClientOptions {
  Engine* engine = nullptr;
  ShardFeed* feed = nullptr;
  AckLog* acks = nullptr;  // null: none
  uint32_t inflight = 1;
  uint64_t segments_before = 0;  // embedded: to be prepared before the clock starts
};

std::unique_ptr<BenchClient> MakeEngineCommitClient(const CommitClientOptions& options);
std::unique_ptr<BenchClient> MakeEmbeddedCommitClient(const CommitClientOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_COMMIT_CLIENT_H_
