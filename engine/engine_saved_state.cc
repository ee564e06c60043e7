// What an engine writes to its state file while it is open, and knows from it.
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "engine/engine_impl.h"

namespace corewal {

absl::Status Engine::Impl::AllowEpochs() {
  // Acquire: pairs with the release below.
  if (epochs_allowed_.load(std::memory_order_acquire)) return absl::OkStatus();
  RETURN_IF_ERROR(SaveState([this](EngineState* state) {
    state->epochs = {recovered_epoch_, last_epoch_seen_, options_.shards};
  }));
  epochs_allowed_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Engine::Impl::AllowAtomic() {
  if (atomic_allowed()) return absl::OkStatus();
  RETURN_IF_ERROR(SaveState([this](EngineState* state) {
    state->atomic = true;
    for (const auto& [shard, log] : recovered_) state->floors[shard] = log.end.lsn;
  }));
  atomic_allowed_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Engine::Impl::SaveState(const std::function<void(EngineState*)>& change) {
  const std::lock_guard lock(state_mutex_);
  EngineState next = state_due_.value_or(state_);
  if (change) change(&next);
  if (next.atomic) {
    std::vector<Lsn> floors;
    std::set<RecordPlace> hidden;
    batches_->Floors(&floors, &hidden);
    for (uint32_t i = 0; i < floors.size(); ++i) next.floors[i] = floors[i];
    next.hidden.insert(hidden.begin(), hidden.end());
  }
  if (next == state_) return absl::OkStatus();
  RETURN_IF_ERROR(WriteEngineState(*environment_.files, options_.directory, next));
  state_ = std::move(next);
  state_due_.reset();
  return absl::OkStatus();
}

bool Engine::Impl::AtomicUsed() const {
  const std::lock_guard lock(state_mutex_);
  return state_.atomic;
}

Lsn Engine::Impl::SavedFloor(ShardId shard) const {
  const std::lock_guard lock(state_mutex_);
  return state_.floor(ToIndex(shard));
}

std::optional<Lsn> Engine::Impl::recovered_checkpoint(ShardId shard) const {
  const std::lock_guard lock(state_mutex_);
  const auto found = state_.checkpoints.find(ToIndex(shard));
  if (found == state_.checkpoints.end()) return std::nullopt;
  return found->second;
}

}  // namespace corewal
