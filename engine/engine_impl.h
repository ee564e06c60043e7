// engine/engine_impl.h: what is behind Engine: the log's directory, what was found in it, and the
// shards.
//
// Opening, in this order, so that a crash at any point leaves a log that opens the same way:
//   lock -> metadata and state -> recover every shard -> decide batches and epochs over all shards
//   -> make what was recovered durable -> record the decisions -> start the shards
//
// Thread: Open and Close one at a time; the rest any.
#ifndef COREWAL_ENGINE_ENGINE_IMPL_H_
#define COREWAL_ENGINE_ENGINE_IMPL_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/atomic_batches.h"
#include "engine/engine.h"
#include "engine/engine_recovery.h"
#include "engine/engine_state.h"
#include "engine/environment.h"
#include "engine/epochs.h"
#include "engine/shard_core.h"
#include "wal/log_meta.h"

namespace corewal {

class Engine::Impl {
 public:
  Impl(const EngineOptions& options, const EngineEnvironment& environment)
      : options_(options), environment_(environment) {}
  ~Impl();

  absl::Status Open();
  absl::Status Close();

  const EngineOptions& options() const { return options_; }
  const EngineEnvironment& environment() const { return environment_; }
  const LogMeta& meta() const { return meta_; }
  const std::map<uint32_t, RecoveredLog>& recovered() const { return recovered_; }
  std::string DirectoryOf(ShardId shard) const;
  absl::StatusOr<std::unique_ptr<StorageIo>> CreateReadIo(uint32_t buffers) const;
  RecoveredEngine recovered_engine() const {
    return {environment_.files, options_.directory, &recovered_, options_.shard.direct};
  }
  std::shared_ptr<const std::set<RecordPlace>> hidden() const { return hidden_; }
  Epoch recovered_epoch() const { return recovered_epoch_; }
  std::optional<Lsn> recovered_checkpoint(ShardId shard) const;

  // Null: no such shard, or one that the host has not attached yet.
  ShardCore* core(ShardId shard) const {
    return ToIndex(shard) < cores_.size() ? cores_[ToIndex(shard)].get() : nullptr;
  }
  const std::vector<std::unique_ptr<ShardCore>>& cores() const { return cores_; }
  absl::Status NoSuchShard(ShardId shard) const;
  bool attached(ShardId shard) const { return attached_[ToIndex(shard)] != 0; }
  void set_attached(ShardId shard) { attached_[ToIndex(shard)] = 1; }
  // Whether this is a callback of one of the shards.
  bool InTurn() const;
  // FailedPrecondition in a callback of one of the shards: `call` could wait for itself there.
  absl::Status CheckMayWait(absl::string_view call) const;
  bool in_child() const { return ProcessGeneration() != process_; }

  Epochs& epochs() { return *epochs_; }
  AtomicBatches& batches() { return *batches_; }
  // So that the state on disk allows epochs, or atomic batches. Once for an opening a small file is
  // written; afterwards nothing.
  absl::Status AllowEpochs();
  absl::Status AllowAtomic();
  bool atomic_allowed() const { return atomic_allowed_.load(std::memory_order_acquire); }
  // Records which atomic batches are decided by now, and what `change` does. Blocking.
  absl::Status SaveState(const std::function<void(EngineState*)>& change);
  // What the state on disk says; records below are not needed by any atomic batch.
  Lsn SavedFloor(ShardId shard) const;
  // It says that atomic batches were used: their records' fate rests on it. True also where it
  // could not be brought up to date (disk full), and no new ones are allowed.
  bool AtomicUsed() const;

 private:
  absl::Status RecoverShards(StorageIo& io);
  absl::Status TakeIdentity();
  absl::Status ChooseSyncMethod(StorageIo& io);
  absl::Status DecideOverShards(StorageIo& io);
  EngineState NextState(const AtomicFindings& findings) const;
  absl::Status SyncRecoveredShards(bool all);
  absl::Status MakeCores(bool mark_opening);
  absl::Status StartThreads();
  void FinishBatches();

  const uint64_t process_ = ProcessGeneration();
  EngineOptions options_;
  const EngineEnvironment environment_;
  std::unique_ptr<DirectoryLock> lock_;
  LogMeta meta_;
  bool meta_changed_ = false;
  std::map<uint32_t, RecoveredLog> recovered_;
  std::shared_ptr<const std::set<RecordPlace>> hidden_;
  Epoch recovered_epoch_, last_epoch_seen_;

  mutable std::mutex state_mutex_;  // held while the file is written; not on the append path
  EngineState state_;               // as on disk
  std::optional<EngineState>
      state_due_;  // decided at opening, and could not be written (disk full)
  std::atomic<bool> epochs_allowed_{false};  // release: the state on disk says so
  std::atomic<bool> atomic_allowed_{false};

  std::unique_ptr<Epochs> epochs_;
  std::unique_ptr<AtomicBatches> batches_;
  std::vector<std::unique_ptr<ShardCore>> cores_;
  std::vector<char> attached_;
  std::vector<std::thread> threads_;
  bool closed_ = false;
  absl::Status close_status_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_IMPL_H_
