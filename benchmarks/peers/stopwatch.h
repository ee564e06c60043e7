// benchmarks/peers/stopwatch.h: wall clock and CPU time of the timed part of a recovery.
#ifndef COREWAL_BENCHMARKS_PEERS_STOPWATCH_H_
#define COREWAL_BENCHMARKS_PEERS_STOPWATCH_H_

#include "base/clock.h"
#include "benchmarks/peers/peer.h"
#include "tools/cpu_time.h"

namespace corewal::peers {

// Runs from its construction on.
class Stopwatch {
 public:
  double Seconds() const { return static_cast<double>(Clock::System().Now() - begin_) * 1e-9; }
  // Of the time until now; the records are the caller's.
  RecoverResult Result() const { return {Seconds(), CpuTime::Now() - cpu_, 0}; }

 private:
  const CpuTime cpu_ = CpuTime::Now();
  const MonotonicNs begin_ = Clock::System().Now();
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_STOPWATCH_H_
