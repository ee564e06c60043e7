#include "benchmarks/peers/group_sync.h"

namespace corewal::peers {

void GroupSync::WaitDurable(std::unique_lock<std::mutex>& lock, uint64_t batch) {
  while (durable_ < batch) {
    if (leading_) {
      changed_[batch & 1].wait(lock);
      continue;
    }
    leading_ = true;
    const uint64_t mine = open_++;
    lock.unlock();
    lead_(mine);
    lock.lock();
    durable_ = mine;
    leading_ = false;
    changed_[mine & 1].notify_all();
    changed_[open_ & 1].notify_one();  // the next leader
  }
}

}  // namespace corewal::peers
