// How an engine is opened: what is found on disk, and what is decided about it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "engine/engine_impl.h"
#include "engine/engine_options.h"
#include "io_backend/directory_names.h"
#include "wal/segment_set.h"

namespace corewal {

std::string Engine::Impl::DirectoryOf(ShardId shard) const {
  return ShardDirectory(options_.directory, shard);
}

absl::Status Engine::Impl::NoSuchShard(ShardId shard) const {
  return absl::InvalidArgumentError(
      absl::StrCat("shard ", ToIndex(shard), ": this engine has ", options_.shards));
}

// For reading at open and for replay: posix unless the log's own backend is asked for by name.
absl::StatusOr<std::unique_ptr<StorageIo>> Engine::Impl::CreateReadIo(uint32_t buffers) const {
  StorageIoOptions io;
  io.backend = options_.shard.io.backend;
  io.buffers = buffers;
  io.buffer_bytes = 1u << 20;
  io.registered_buffers = options_.shard.io.registered_buffers;
  io.registered_files = options_.shard.io.registered_files;
  return environment_.create_io(io);
}

absl::Status Engine::Impl::Open() {
  RETURN_IF_ERROR(CheckEngineOptions(options_));
  FileSystem& files = *environment_.files;
  RETURN_IF_ERROR(files.CreateDirectories(options_.directory));
  ASSIGN_OR_RETURN(lock_, files.Lock(absl::StrCat(options_.directory, "/", kLockFileName)));
  absl::StatusOr<LogMeta> meta = ReadLogMeta(files, options_.directory);
  if (meta.ok()) {
    meta_ = *std::move(meta);
  } else if (!absl::IsNotFound(meta.status())) {
    return meta.status();
  } else {
    RETURN_IF_ERROR(SyncNamesAbove(files, options_.directory));
  }
  ASSIGN_OR_RETURN(state_, ReadEngineState(files, options_.directory));
  ASSIGN_OR_RETURN(std::unique_ptr<StorageIo> io, CreateReadIo(8));
  RETURN_IF_ERROR(RecoverShards(*io));
  RETURN_IF_ERROR(TakeIdentity());
  RETURN_IF_ERROR(ChooseSyncMethod(*io));
  if (meta_changed_) RETURN_IF_ERROR(WriteLogMeta(files, options_.directory, meta_));
  RETURN_IF_ERROR(DecideOverShards(*io));
  io.reset();
  RETURN_IF_ERROR(MakeCores(/*mark_opening=*/epochs_allowed_));
  // A process that died may have made a shard's directory and not synced its name.
  RETURN_IF_ERROR(files.SyncDirectory(options_.directory));
  RETURN_IF_ERROR(SyncRecoveredShards(/*all=*/false));
  attached_.assign(options_.shards, 0);
  if (options_.threads == EngineOptions::Threads::kEngine) return StartThreads();
  return absl::OkStatus();
}

// Every shard directory found counts, also those beyond options.shards: a log must not be ignored
// because fewer cores are configured today.
absl::Status Engine::Impl::RecoverShards(StorageIo& io) {
  FileSystem& files = *environment_.files;
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(options_.directory));
  for (const DirectoryEntry& entry : entries) {
    const std::optional<ShardId> shard = ParseShardDirectoryName(entry.name);
    if (!shard.has_value()) continue;
    ASSIGN_OR_RETURN(recovered_[ToIndex(*shard)],
                     RecoverLog(files, io, DirectoryOf(*shard), meta_.uuid, options_.recovery));
  }
  return absl::OkStatus();
}

// A log without its metadata file keeps the UUID of its segments; a new log gets a new one.
absl::Status Engine::Impl::TakeIdentity() {
  for (const auto& [index, log] : recovered_) {
    if (log.live.empty()) continue;
    const SegmentFile& segment = log.live.front();
    if (ToIndex(segment.header.shard) != index) {
      return absl::FailedPreconditionError(
          absl::StrCat(segment.path, ": belongs to shard ", ToIndex(segment.header.shard),
                       ", not to shard ", index, "; move the file away"));
    }
    if (meta_.uuid.is_zero()) {
      meta_.uuid = segment.header.uuid;
      meta_changed_ = true;
    } else if (meta_.uuid != segment.header.uuid) {
      return absl::FailedPreconditionError(
          absl::StrCat(segment.path, ": belongs to log ", segment.header.uuid.ToString(),
                       ", this is log ", meta_.uuid.ToString(), "; move the file away"));
    }
  }
  if (meta_.uuid.is_zero()) {
    meta_.uuid = LogUuid::Random();
    meta_changed_ = true;
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::ChooseSyncMethod(StorageIo& io) {
  if (options_.shard.sync_method != SyncMethod::kAuto) return absl::OkStatus();
  if (meta_.sync_method == SyncMethod::kAuto) {
    ASSIGN_OR_RETURN(
        const SyncProbe probe,
        ProbeSyncMethod(*environment_.files, io, options_.directory, options_.shard.direct));
    meta_.sync_method = probe.best;
    meta_.sync_probe = probe.ToString();
    meta_changed_ = true;
  }
  options_.shard.sync_method = meta_.sync_method;
  return absl::OkStatus();
}

// What no shard can know alone: which atomic batches are complete, which epoch is. What was found
// is recorded before anything new is appended, and after what it rests on was made durable.
absl::Status Engine::Impl::DecideOverShards(StorageIo& io) {
  recovered_epoch_ = LastCompleteEpoch(recovered_, state_);
  last_epoch_seen_ = LastEpochSeen(recovered_, state_);
  if (last_epoch_seen_ == Epoch(UINT64_MAX)) {
    return absl::DataLossError(absl::StrCat(
        options_.directory, ": a batch or segment claims the last epoch that there can be"));
  }
  AtomicFindings findings;
  if (state_.atomic) {
    // A log that was cut at damage may end before its floor.
    for (auto& [shard, floor] : state_.floors) {
      const auto log = recovered_.find(shard);
      floor = std::min(floor, log == recovered_.end() ? Lsn() : log->second.end.lsn);
    }
    ASSIGN_OR_RETURN(findings, FindIncompleteBatches(recovered_engine(), io, state_));
  }
  auto hidden = std::make_shared<std::set<RecordPlace>>(state_.hidden);
  hidden->insert(findings.hidden.begin(), findings.hidden.end());
  hidden_ = hidden;
  EngineState next = NextState(findings);
  if (next != state_) {
    RETURN_IF_ERROR(SyncRecoveredShards(/*all=*/true));
    const absl::Status written = WriteEngineState(*environment_.files, options_.directory, next);
    if (written.ok()) {
      state_ = std::move(next);
    } else {
      state_due_ = std::move(next);  // a full disk is no reason not to open
    }
  }
  epochs_allowed_ = state_.epochs.has_value() && !state_due_.has_value();
  atomic_allowed_ = state_.atomic && !state_due_.has_value();
  epochs_ = std::make_unique<Epochs>(options_.shards, recovered_epoch_, last_epoch_seen_ + 1);
  batches_ = std::make_unique<AtomicBatches>(RandomUint64(), *epochs_);
  return absl::OkStatus();
}

EngineState Engine::Impl::NextState(const AtomicFindings& findings) const {
  EngineState next = state_;
  if (next.epochs.has_value()) next.epochs = {recovered_epoch_, last_epoch_seen_, options_.shards};
  if (next.atomic) {
    next.hidden.insert(findings.hidden.begin(), findings.hidden.end());
    for (const auto& [shard, log] : recovered_) {
      next.floors[shard] = log.end.lsn;
      const Lsn begin = log.live.empty() ? log.end.lsn : log.live.front().header.base_lsn;
      std::erase_if(next.hidden, [shard = shard, begin](const RecordPlace& place) {
        return place.first == shard && place.second < begin;
      });
    }
  }
  return next;
}

// Replay hands out records as durable. Opening a shard makes them so, but a host opens its shards
// later, and those beyond options.shards are not opened at all.
absl::Status Engine::Impl::SyncRecoveredShards(bool all) {
  const bool host = options_.threads == EngineOptions::Threads::kHost;
  for (const auto& [index, log] : recovered_) {
    if (!all && !host && index < options_.shards) continue;
    RETURN_IF_ERROR(SyncRecovered(*environment_.files, DirectoryOf(ShardId{index}), log));
  }
  return absl::OkStatus();
}

}  // namespace corewal
