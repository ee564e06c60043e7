// benchmarks/peers/group_sync.h: naive group commit under one mutex: who leads, and who is woken.
//
//   batch n: a leader is making it durable;  batch n+1: open, whoever comes now joins it
//
// The first client that finds no leader at work leads the batch now open; later ones join the next.
#ifndef COREWAL_BENCHMARKS_PEERS_GROUP_SYNC_H_
#define COREWAL_BENCHMARKS_PEERS_GROUP_SYNC_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

namespace corewal::peers {

// Thread: any.
class GroupSync {
 public:
  // Makes a closed batch durable; runs on the leader's thread, without the lock, one at a time.
  using LeadFunction = std::function<void(uint64_t batch)>;
  explicit GroupSync(LeadFunction lead) : lead_(std::move(lead)) {}

  std::unique_lock<std::mutex> Lock() { return std::unique_lock<std::mutex>(mutex_); }

  // The rest is called under the lock.
  uint64_t open_batch() const { return open_; }
  bool leading() const { return leading_; }
  // Returns once `batch` is durable; leads it if nobody else does.
  void WaitDurable(std::unique_lock<std::mutex>& lock, uint64_t batch);

 private:
  const LeadFunction lead_;
  std::mutex mutex_;
  std::condition_variable changed_[2];  // by parity of the batch
  uint64_t open_ = 1;
  uint64_t durable_ = 0;
  bool leading_ = false;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_GROUP_SYNC_H_
