// tools/stream_client.h: the open loop: append as fast as the log accepts; all durable at the end.
//
//   engine     Post to the shard's thread; when its mailbox is full, sleep a little
//   embedded   append to the shard that this very thread runs; when its buffers are full, wait
//
// The latency is that of a sample: one record in sample_every, append until durable.
#ifndef COREWAL_TOOLS_STREAM_CLIENT_H_
#define COREWAL_TOOLS_STREAM_CLIENT_H_

#include <cstdint>
#include <memory>

#include "engine/engine.h"
#include "tools/ack_log.h"
#include "tools/bench_client.h"
#include "tools/shard_feed.h"

namespace corewal {

struct StreamClientOptions {
  Engine* engine = nullptr;
  ShardFeed* feed = nullptr;
  AckLog* acks = nullptr;        // null: none
  uint64_t segments_before = 0;  // embedded: to be prepared before the clock starts
  uint64_t sample_every = 1024;  // a power of two
};

std::unique_ptr<BenchClient> MakeEngineStreamClient(const StreamClientOptions& options);
std::unique_ptr<BenchClient> MakeEmbeddedStreamClient(const StreamClientOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_STREAM_CLIENT_H_
