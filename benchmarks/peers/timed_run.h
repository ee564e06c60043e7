// benchmarks/peers/timed_run.h: clients on threads of their own, and the clock around them.
//
//   commit:  hold | warm up, 0.3 s | count the commits that begin here | stop
//   async:   hold | count all from the first append ... to the moment all of it is durable
#ifndef COREWAL_BENCHMARKS_PEERS_TIMED_RUN_H_
#define COREWAL_BENCHMARKS_PEERS_TIMED_RUN_H_

#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/run_config.h"
#include "benchmarks/peers/run_result.h"

namespace corewal::peers {

// `peer` is set up and stays so. Modes commit and async. Without the disk's probe.
RunResult RunTimed(const RunConfig& config, Peer& peer);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_TIMED_RUN_H_
