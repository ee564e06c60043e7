#include "engine/epochs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/futex.h"
#include "base/mutation.h"

namespace corewal {

Epochs::Epochs(uint32_t shards, Epoch complete, Epoch open)
    : first_open_(open),
      open_(open.value()),
      durable_(complete.value()),
      reached_(shards, complete.value()) {
  CHECK_LT(complete, open);
}

void Epochs::Reached(ShardId shard, Epoch epoch) {
  {
    const std::lock_guard lock(mutex_);
    CHECK_LT(epoch, open());
    CHECK_GE(epoch.value(), reached_[ToIndex(shard)]);
    reached_[ToIndex(shard)] = epoch.value();
    const uint64_t all = Mutated(Mutation::kEpochPublishedByFirst)
                             ? epoch.value()
                             : *std::min_element(reached_.begin(), reached_.end());
    // A barrier that only marks an opening (first_open_ - 1) completes nothing.
    if (all < first_open_.value() || all <= durable_.load(std::memory_order_relaxed)) return;
    durable_.store(all, std::memory_order_release);
  }
  news_.fetch_add(1, std::memory_order_release);
  FutexWake(news_, INT32_MAX);
}

void Epochs::Failed(ShardId shard, const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ =
        absl::Status(why.code(), absl::StrCat("epochs stop at ", durable().value(), ": shard ",
                                              ToIndex(shard), " failed: ", why.message()));
  }
  news_.fetch_add(1, std::memory_order_release);
  FutexWake(news_, INT32_MAX);
}

absl::Status Epochs::status() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

absl::Status Epochs::WaitDurable(Epoch epoch, MonotonicNs deadline) const {
  for (;;) {
    const uint32_t seen = news_.load(std::memory_order_acquire);  // before what it tells of
    if (durable() >= epoch) return absl::OkStatus();
    if (absl::Status failed = status(); !failed.ok()) return failed;
    if (deadline != kNever && Clock::System().Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("epoch ", epoch.value(), " is not durable yet; it goes on"));
    }
    FutexWait(news_, seen, deadline);
  }
}

}  // namespace corewal
