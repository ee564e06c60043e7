// engine/epochs.h: the epochs of an engine: which one is open, and up to which one all shards are
// durable.
//
//   Advance() closes epoch e      every shard, also an idle one, appends the barrier e
//   Reached(shard, e) each        the last of them: durable() is e, whoever waits is woken
//
// Records land in the epoch that is open on their shard. A shard learns of a new epoch before it
// takes in a record whose producer had seen it, so the cut "before the barriers e" is closed: if a
// record is in it, so is every record whose append had been accepted before (ORDERING.md).
//
// Invariants: durable() < open(); durable() is at most what each shard has reached.
// Thread: any. The mutex is not on the append path.
// Failure: a shard that failed stops all epochs, which say why.
#ifndef COREWAL_ENGINE_EPOCHS_H_
#define COREWAL_ENGINE_EPOCHS_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "wal/lsn.h"

namespace corewal {

class Epochs {
 public:
  // `complete`: the last complete one before; `open` is more than any ever used.
  Epochs(uint32_t shards, Epoch complete, Epoch open);

  // The open epoch. Sequentially consistent: a shard that goes to sleep looks at it after it said
  // so, and whoever advances it looks for sleepers after.
  Epoch open() const { return Epoch(open_.load(std::memory_order_seq_cst)); }
  Epoch first_open() const { return first_open_; }
  uint32_t shards() const { return static_cast<uint32_t>(reached_.size()); }
  // Opens the next one; returns the one that is closed now. The shards are still to be woken.
  Epoch Advance() { return Epoch(open_.fetch_add(1, std::memory_order_seq_cst)); }

  // The barrier is durable on this shard.
  void Reached(ShardId shard, Epoch epoch);
  void Failed(ShardId shard, const absl::Status& why);

  // Acquire: whoever sees it also sees what was done before it was published.
  Epoch durable() const { return Epoch(durable_.load(std::memory_order_acquire)); }
  // OK, or why no later epoch will become durable.
  absl::Status status() const;
  // DeadlineExceeded: not yet. Otherwise as status().
  absl::Status WaitDurable(Epoch epoch, MonotonicNs deadline) const;

 private:
  const Epoch first_open_;
  std::atomic<uint64_t> open_;
  std::atomic<uint64_t> durable_;
  std::atomic<uint32_t> news_{0};  // counts changes below; the futex word of those who wait
  mutable std::mutex mutex_;
  std::vector<uint64_t> reached_;  // by shard
  absl::Status failure_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_EPOCHS_H_
