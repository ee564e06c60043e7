// How an engine is opened and closed.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "engine/engine_impl.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr uint32_t kShardsMax = 1024;
const LogEndReport kNothingFound{.end = LogEnd::kEmpty, .row = "E0"};

absl::Status OutOfRange(absl::string_view name, uint64_t value, absl::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat(name, " ", value, ": want ", want));
}

// Before anything is touched: what each shard would find out for itself when it is half open.
absl::Status CheckShardOptions(const ShardOptions& shard) {
  const uint32_t mailbox = shard.mailbox_bytes;
  if (mailbox < 4096 || mailbox > 1u << 30 || (mailbox & (mailbox - 1)) != 0) {
    return OutOfRange("mailbox_bytes", mailbox, "a power of two from 4096 to 1 GiB");
  }
  if (shard.segment_bytes < kSegmentBytesMin || shard.segment_bytes > kSegmentBytesMax ||
      shard.segment_bytes % kBlockBytes != 0) {
    return OutOfRange("segment_bytes", shard.segment_bytes,
                      absl::StrCat("a multiple of ", kBlockBytes, " from ", kSegmentBytesMin,
                                   " to ", kSegmentBytesMax));
  }
  if (shard.segments_ready < 1 || shard.segments_ready > 64) {
    return OutOfRange("segments_ready", shard.segments_ready, "1 to 64");
  }
  if (shard.segments_first > 1024) {
    return OutOfRange("segments_first", shard.segments_first, "at most 1024");
  }
  if (shard.log_bytes_max != 0 && shard.log_bytes_max < 2 * shard.segment_bytes) {
    return OutOfRange("log_bytes_max", shard.log_bytes_max,
                      "at least two segments, or 0 for no limit");
  }
  if (shard.io.buffers < 3 || shard.io.buffers > 4088) {
    return OutOfRange("buffers", shard.io.buffers, "3 to 4088");
  }
  if (shard.io.buffer_bytes < 4 * kBlockBytes || shard.io.buffer_bytes % kBlockBytes != 0 ||
      shard.io.buffer_bytes > 64u << 20) {
    return OutOfRange(
        "buffer_bytes", shard.io.buffer_bytes,
        absl::StrCat("a multiple of ", kBlockBytes, " from ", 4 * kBlockBytes, " to 64 MiB"));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const EngineOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("directory: none given");
  if (options.shards < 1 || options.shards > kShardsMax) {
    return OutOfRange("shards", options.shards, absl::StrCat("1 to ", kShardsMax));
  }
  return CheckShardOptions(options.shard);
}

void PinToCpu(std::thread& thread, uint32_t index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  int nth = static_cast<int>(index % static_cast<uint32_t>(std::max(1, CPU_COUNT(&allowed))));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || nth-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(thread.native_handle(), sizeof(one), &one);  // a wish, not a need
    return;
  }
}

// A process that died may have made the log's directory, or one above it, and not synced its name.
// What cannot be opened to be synced was not made by this user.
absl::Status SyncNamesAbove(FileSystem& files, std::string path) {
  for (;;) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (path == "/" || path == ".") return absl::OkStatus();
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
    const absl::Status synced = files.SyncDirectory(path);
    if (!synced.ok() && !absl::IsPermissionDenied(synced)) return synced;
  }
}

}  // namespace

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
  RETURN_IF_ERROR(CheckOptions(options_));
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

absl::Status Engine::Impl::MakeCores(bool mark_opening) {
  for (uint32_t i = 0; i < options_.shards; ++i) {
    const ShardId shard{i};
    RETURN_IF_ERROR(environment_.files->CreateDirectories(DirectoryOf(shard)));
    RecoveredLog& log = recovered_[i];
    if (log.end.end == LogEnd::kNotYet) log.end = kNothingFound;
    ShardCore::Config config;
    config.directory = DirectoryOf(shard);
    config.uuid = meta_.uuid;
    config.shard = shard;
    config.options = options_.shard;
    config.sync_probe = meta_.sync_probe;
    config.environment = environment_;
    config.epochs = epochs_.get();
    config.batches = batches_.get();
    config.mark_opening = mark_opening;
    cores_.push_back(std::make_unique<ShardCore>(std::move(config), log));
    batches_->AddMember(cores_.back().get());
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::StartThreads() {
  std::vector<std::future<absl::Status>> opened;
  absl::Status first;
  for (uint32_t i = 0; i < options_.shards && first.ok(); ++i) {
    std::promise<absl::Status> promise;
    std::future<absl::Status> result = promise.get_future();
    try {
      threads_.emplace_back([core = cores_[i].get(), promise = std::move(promise)]() mutable {
        absl::Status status = core->Open();
        const bool ok = status.ok();
        promise.set_value(std::move(status));
        if (ok) core->Run();
      });
    } catch (const std::system_error& error) {
      first = absl::ResourceExhaustedError(
          absl::StrCat("shard ", i, ": no thread can be started: ", error.what()));
      break;
    }
    opened.push_back(std::move(result));
    if (options_.pin_threads) PinToCpu(threads_.back(), i);
  }
  for (std::future<absl::Status>& result : opened) first.Update(result.get());
  return first;
}

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

Engine::Impl::~Impl() {
  if (Close().ok() || !in_child()) return;
  // In a forked child there are no such threads, and the rings, the callbacks and the log are the
  // parent's: nothing of it is touched.
  for (std::thread& thread : threads_) thread.detach();
  for (auto& core : cores_) core.release();  // NOLINT(bugprone-unused-return-value)
}

// Batches under way come to their end while the shards still run: on the engine's threads, or here
// if all shards are this thread's.
void Engine::Impl::FinishBatches() {
  batches_->Shut();
  const bool host = options_.threads == EngineOptions::Threads::kHost;
  for (const auto& core : cores_) {
    core->BeginClosing();
    if (host && (core->closed() || !core->OnOwnerThread())) return;
  }
  while (!batches_->idle()) {
    if (!host) Clock::System().SleepUntil(Clock::System().Now() + 100'000);
    for (const auto& core : cores_) {
      if (host) core->Wait(core->clock().Now() + 100'000).IgnoreError();
    }
  }
}

absl::Status Engine::Impl::Close() {
  if (in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  if (closed_) return close_status_;
  for (uint32_t i = 0; i < attached_.size(); ++i) {
    if (!attached_[i] || cores_[i]->closed() || cores_[i]->OnOwnerThread()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "shard ", i, " is attached to a thread that has not closed it: call its Close() there"));
  }
  closed_ = true;
  if (!attached_.empty()) FinishBatches();
  for (auto& core : cores_) core->Shut();
  for (std::thread& thread : threads_) thread.join();
  for (auto& core : cores_) {
    if (!core->closed()) core->Close().IgnoreError();
    close_status_.Update(core->info().failure);
  }
  // The next opening need not look at what is decided; without this it looks again.
  if (batches_ != nullptr && AtomicUsed()) SaveState(nullptr).IgnoreError();
  lock_.reset();
  return close_status_;
}

}  // namespace corewal
