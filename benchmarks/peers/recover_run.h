// benchmarks/peers/recover_run.h: a child writes a log and dies; the parent is timed reading it.
#ifndef COREWAL_BENCHMARKS_PEERS_RECOVER_RUN_H_
#define COREWAL_BENCHMARKS_PEERS_RECOVER_RUN_H_

#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/run_config.h"
#include "benchmarks/peers/run_result.h"

namespace corewal::peers {

// `peer` is fresh: it is set up in the child, which exits without closing the log, so that the
// reader meets what a crash of the process would leave. No other thread may run.
RunResult RunRecover(const RunConfig& config, Peer& peer);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RECOVER_RUN_H_
