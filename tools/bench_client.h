// tools/bench_client.h: one client thread's part in a workload.
//
//   Start   once, on the client's thread
//   Run     one slice of the run; everything appended in it is durable when it returns
//   Finish  once, on the client's thread, also if Start failed
#ifndef COREWAL_TOOLS_BENCH_CLIENT_H_
#define COREWAL_TOOLS_BENCH_CLIENT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "tools/log_counters.h"

namespace corewal {

// A client stops appending at whichever comes first, when its records end, or on an interrupt.
struct SliceLimit {
  MonotonicNs deadline = kNever;
  uint64_t records = std::numeric_limits<uint64_t>::max();
  uint64_t payload_bytes = std::numeric_limits<uint64_t>::max();
};

struct SliceResult {
  uint64_t records = 0;  // durable
  uint64_t payload_bytes = 0;
  Histogram latency_ns;  // append until durable; of each record, or of a sample
  MonotonicNs begin = kNever;
  MonotonicNs end = 0;
  LogCounters counters;  // of a shard that the client runs itself: after Start, before Finish
  absl::Status status;

  void Merge(const SliceResult& other) {
    records += other.records;
    payload_bytes += other.payload_bytes;
    latency_ns.Merge(other.latency_ns);
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end);
    counters += other.counters;
    status.Update(other.status);
  }
  double seconds() const { return end > begin ? static_cast<double>(end - begin) * 1e-9 : 0; }
};

// For whoever watches: payload bytes and records so far, over all slices.
struct ClientProgress {
  std::atomic<uint64_t> records{0};
  std::atomic<uint64_t> payload_bytes{0};

  void Add(uint64_t more_records, uint64_t more_bytes) {
    // One writer; a reader may be a little late.
    records.store(records.load(std::memory_order_relaxed) + more_records,
                  std::memory_order_relaxed);
    payload_bytes.store(payload_bytes.load(std::memory_order_relaxed) + more_bytes,
                        std::memory_order_relaxed);
  }
};

class BenchClient {
 public:
  virtual ~BenchClient() = default;
  virtual void Start(SliceResult*) {}
  virtual void Run(const SliceLimit& limit, SliceResult* result) = 0;
  virtual void Finish(SliceResult*) {}

  const ClientProgress& progress() const { return progress_; }

 protected:
  ClientProgress progress_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_CLIENT_H_
