// base/index_queue.h: a first-in first-out queue of indices with a fixed capacity.
//
// Nothing is allocated after construction; pushing into a full queue is the caller's bug.
// Thread: one at a time.
#ifndef COREWAL_BASE_INDEX_QUEUE_H_
#define COREWAL_BASE_INDEX_QUEUE_H_

#include <cstdint>
#include <memory>

#include "base/check.h"

namespace corewal {

class IndexQueue {
 public:
  explicit IndexQueue(uint32_t capacity) : ring_(new uint32_t[capacity]), capacity_(capacity) {}

  void Push(uint32_t index) {
    CHECK_LT(size_, capacity_);
    const uint32_t at = head_ + size_;
    ring_[at < capacity_ ? at : at - capacity_] = index;
    ++size_;
  }
  uint32_t Front() const {
    CHECK_GT(size_, 0u);
    return ring_[head_];
  }
  uint32_t Pop() {
    const uint32_t index = Front();
    head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
    --size_;
    return index;
  }

  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  std::unique_ptr<uint32_t[]> ring_;
  uint32_t capacity_;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_BASE_INDEX_QUEUE_H_
