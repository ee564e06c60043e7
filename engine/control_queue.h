// engine/control_queue.h: what a shard is asked besides appends: truncations, checkpoints, homes of
// atomic batches. Off the append path, so it may allocate; never full.
//
// Thread: Push by any; the rest by the shard, except Shut, which any may call once the shard's
// thread is gone.
#ifndef COREWAL_ENGINE_CONTROL_QUEUE_H_
#define COREWAL_ENGINE_CONTROL_QUEUE_H_

#include <atomic>

#include "absl/status/status.h"

namespace corewal {

class ShardCore;

class ControlItem {
 public:
  virtual ~ControlItem() = default;
  // On the shard's thread. False: not now, try again after the next turn. After true, or Refuse,
  // the queue does not know the item any more.
  virtual bool Run(ShardCore& core) = 0;
  // The shard is closed.
  virtual void Refuse(const absl::Status& why) = 0;

 private:
  friend class ControlQueue;
  ControlItem* next_ = nullptr;
};

class ControlQueue {
 public:
  // False: shut; the item stays the caller's.
  bool Push(ControlItem* item) {
    ControlItem* head = head_.load(std::memory_order_relaxed);
    do {
      if (head == Closed()) return false;
      item->next_ = head;
      // Sequentially consistent: publishes the item, and orders it before the look for a sleeping
      // shard, as in Mailbox::Push.
    } while (!head_.compare_exchange_weak(head, item, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return true;
  }
  bool empty() const {
    ControlItem* head = head_.load(std::memory_order_seq_cst);
    return head == nullptr || head == Closed();
  }
  // All items, oldest first, linked by next().
  ControlItem* TakeAll() {
    if (empty()) return nullptr;
    // Acquire: what the items hold is visible.
    return Reverse(head_.exchange(nullptr, std::memory_order_acq_rel));
  }
  // From here on Push fails; what was there is returned, as by TakeAll.
  ControlItem* Shut() {
    ControlItem* head = head_.exchange(Closed(), std::memory_order_acq_rel);
    return head == Closed() ? nullptr : Reverse(head);
  }
  static ControlItem* Next(const ControlItem* item) { return item->next_; }

 private:
  ControlItem* Closed() const {
    return reinterpret_cast<ControlItem*>(const_cast<ControlQueue*>(this));
  }
  static ControlItem* Reverse(ControlItem* item) {
    ControlItem* reversed = nullptr;
    while (item != nullptr) {
      ControlItem* next = item->next_;
      item->next_ = reversed;
      reversed = item;
      item = next;
    }
    return reversed;
  }

  std::atomic<ControlItem*> head_{nullptr};  // newest first; Closed() after Shut
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_CONTROL_QUEUE_H_
