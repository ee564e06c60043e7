// wal/batch_queue.h: the batches whose writes are in flight, oldest first.
//
// Completions arrive in any order; `written` moves over the contiguous prefix only, so a batch
// leaves the queue when it and all before it are written.
//
//   Push -> kSubmitted -> Complete(index) -> kWritten -> popped from the front
#ifndef COREWAL_WAL_BATCH_QUEUE_H_
#define COREWAL_WAL_BATCH_QUEUE_H_

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "wal/lsn.h"

namespace corewal {

struct QueuedBatch {
  enum class State : uint8_t { kNone, kSubmitted, kWritten };
  Lsn begin;
  Lsn end;
  Lsn safe_end;        // see BatchBuilder::Finished
  bool dsync = false;  // durable with its write, if all before it is durable
  State state = State::kNone;

  void Transition(State to) {
    CHECK((state == State::kNone && to == State::kSubmitted) ||
          (state == State::kSubmitted && to == State::kWritten) ||
          (state == State::kWritten && to == State::kNone))
        << "batch at lsn " << begin << ": " << static_cast<int>(state) << " -> "
        << static_cast<int>(to);
    state = to;
  }
};

class BatchQueue {
 public:
  explicit BatchQueue(uint32_t capacity) : ring_(capacity) {}

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == ring_.size(); }
  uint32_t size() const { return size_; }

  // Returns the index that Complete() wants. Requires !full(), and begin not before the last end.
  uint32_t Push(Lsn begin, Lsn end, Lsn safe_end, bool dsync) {
    CHECK(!full());
    CHECK(begin < end && safe_end <= end);
    if (!empty()) CHECK_LE(back().end, begin);
    const uint32_t index = (head_ + size_++) % ring_.size();
    QueuedBatch& batch = ring_[index];
    batch.begin = begin;
    batch.end = end;
    batch.safe_end = safe_end;
    batch.dsync = dsync;
    batch.Transition(QueuedBatch::State::kSubmitted);
    return index;
  }

  const QueuedBatch& Complete(uint32_t index) {
    CHECK_LT(index, ring_.size());
    ring_[index].Transition(QueuedBatch::State::kWritten);
    return ring_[index];
  }

  // Pops the front batch into `batch` if it is written.
  bool PopWritten(QueuedBatch* batch) {
    if (empty() || ring_[head_].state != QueuedBatch::State::kWritten) return false;
    *batch = ring_[head_];
    ring_[head_].Transition(QueuedBatch::State::kNone);
    head_ = (head_ + 1) % ring_.size();
    --size_;
    return true;
  }

  const QueuedBatch& front() const { return ring_[head_]; }
  const QueuedBatch& back() const { return ring_[(head_ + size_ - 1) % ring_.size()]; }

 private:
  std::vector<QueuedBatch> ring_;  // sized once
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_BATCH_QUEUE_H_
