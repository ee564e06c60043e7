// benchmarks/peers/replay_check.h: whether a replay yielded each written record once.
//
// By count, bytes and sum of the sequence numbers: cheap enough to stand inside the clock.
#ifndef COREWAL_BENCHMARKS_PEERS_REPLAY_CHECK_H_
#define COREWAL_BENCHMARKS_PEERS_REPLAY_CHECK_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "benchmarks/peers/record_maker.h"

namespace corewal::peers {

class ReplayCheck {
 public:
  // For peers that keep the head of a record (the key) apart from the rest.
  void Add(absl::string_view head, size_t record_bytes) {
    ++records_;
    bytes_ += record_bytes;
    sum_ += DecodeSequence(head);
  }
  void Add(absl::string_view record) { Add(record, record.size()); }

  uint64_t records() const { return records_; }
  // DataLoss: these are not the first `records` records of client 0, of `record_bytes` each.
  absl::Status Verify(uint64_t records, size_t record_bytes) const;

 private:
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
  uint64_t sum_ = 0;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_REPLAY_CHECK_H_
