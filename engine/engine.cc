#include "engine/engine.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "base/thread_owner.h"
#include "engine/append_state.h"
#include "engine/shard_core.h"
#include "io_backend/file_system.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr uint32_t kShardsMax = 1024;
const LogEndReport kNothingFound{.end = LogEnd::kEmpty, .row = "E0"};

// For reading at open and for replay: posix unless the log's own backend is asked for by name.
StorageIoOptions ReadIoOptions(const EngineOptions& options) {
  StorageIoOptions io;
  io.backend = options.shard.io.backend;
  io.buffers = 8;
  io.buffer_bytes = 1u << 20;
  io.registered_buffers = options.shard.io.registered_buffers;
  io.registered_files = options.shard.io.registered_files;
  return io;
}

absl::Status CheckOptions(const EngineOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("directory: none given");
  if (options.shards < 1 || options.shards > kShardsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("shards ", options.shards, ": want 1 to ", kShardsMax));
  }
  const uint32_t mailbox = options.shard.mailbox_bytes;
  if (mailbox < 4096 || (mailbox & (mailbox - 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("mailbox_bytes ", mailbox, ": want a power of two from 4096"));
  }
  return absl::OkStatus();
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

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options) : options_(options) {}
  ~Impl();

  absl::Status Open();
  absl::Status Close();

  const EngineOptions& options() const { return options_; }
  const LogMeta& meta() const { return meta_; }
  const std::map<uint32_t, RecoveredLog>& recovered() const { return recovered_; }
  std::string DirectoryOf(ShardId shard) const { return ShardDirectory(options_.directory, shard); }

  // Null: no such shard, or one that the host has not attached yet.
  ShardCore* core(ShardId shard) const {
    return ToIndex(shard) < cores_.size() ? cores_[ToIndex(shard)].get() : nullptr;
  }
  absl::Status NoSuchShard(ShardId shard) const {
    return absl::InvalidArgumentError(
        absl::StrCat("shard ", ToIndex(shard), ": this engine has ", options_.shards));
  }
  bool attached(ShardId shard) const { return attached_[ToIndex(shard)]; }
  void set_attached(ShardId shard) { attached_[ToIndex(shard)] = true; }

 private:
  absl::Status RecoverShards(StorageIo& io);
  absl::Status TakeIdentity();
  absl::Status ChooseSyncMethod(StorageIo& io);
  absl::Status SyncWhatNoThreadOpens();
  absl::Status StartThreads();

  const uint64_t process_ = ProcessGeneration();
  EngineOptions options_;
  std::unique_ptr<DirectoryLock> lock_;
  LogMeta meta_;
  bool meta_changed_ = false;
  std::map<uint32_t, RecoveredLog> recovered_;
  std::vector<std::unique_ptr<ShardCore>> cores_;
  std::vector<char> attached_;
  std::vector<std::thread> threads_;
  bool closed_ = false;
  absl::Status close_status_;
};

absl::Status Engine::Impl::Open() {
  RETURN_IF_ERROR(CheckOptions(options_));
  FileSystem& files = FileSystem::Host();
  RETURN_IF_ERROR(files.CreateDirectories(options_.directory));
  ASSIGN_OR_RETURN(lock_, files.Lock(absl::StrCat(options_.directory, "/", kLockFileName)));
  absl::StatusOr<LogMeta> meta = ReadLogMeta(files, options_.directory);
  if (meta.ok()) {
    meta_ = *std::move(meta);
  } else if (!absl::IsNotFound(meta.status())) {
    return meta.status();
  }
  ASSIGN_OR_RETURN(std::unique_ptr<StorageIo> io, CreateStorageIo(ReadIoOptions(options_)));
  RETURN_IF_ERROR(RecoverShards(*io));
  RETURN_IF_ERROR(TakeIdentity());
  RETURN_IF_ERROR(ChooseSyncMethod(*io));
  if (meta_changed_) RETURN_IF_ERROR(WriteLogMeta(files, options_.directory, meta_));

  for (uint32_t i = 0; i < options_.shards; ++i) {
    const ShardId shard{i};
    RETURN_IF_ERROR(files.CreateDirectories(DirectoryOf(shard)));
    RecoveredLog& log = recovered_[i];
    if (log.end.end == LogEnd::kNotYet) log.end = kNothingFound;
    ShardCore::Config config;
    config.directory = DirectoryOf(shard);
    config.uuid = meta_.uuid;
    config.shard = shard;
    config.options = options_.shard;
    config.sync_probe = meta_.sync_probe;
    cores_.push_back(std::make_unique<ShardCore>(std::move(config), log));
  }
  // A process that died may have made a shard's directory and not synced its name.
  RETURN_IF_ERROR(files.SyncDirectory(options_.directory));
  RETURN_IF_ERROR(SyncWhatNoThreadOpens());
  attached_.assign(options_.shards, 0);
  if (options_.threads == EngineOptions::Threads::kEngine) return StartThreads();
  return absl::OkStatus();
}

// Every shard directory found counts, also those beyond options.shards: a log must not be ignored
// because fewer cores are configured today.
absl::Status Engine::Impl::RecoverShards(StorageIo& io) {
  FileSystem& files = FileSystem::Host();
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
        ProbeSyncMethod(FileSystem::Host(), io, options_.directory, options_.shard.direct));
    meta_.sync_method = probe.best;
    meta_.sync_probe = probe.ToString();
    meta_changed_ = true;
  }
  options_.shard.sync_method = meta_.sync_method;
  return absl::OkStatus();
}

// Replay hands out records as durable. Opening a shard makes them so, but a host opens its shards
// later, and those beyond options.shards are not opened at all.
absl::Status Engine::Impl::SyncWhatNoThreadOpens() {
  const bool host = options_.threads == EngineOptions::Threads::kHost;
  for (const auto& [index, log] : recovered_) {
    if (!host && index < options_.shards) continue;
    RETURN_IF_ERROR(SyncRecovered(FileSystem::Host(), DirectoryOf(ShardId{index}), log));
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::StartThreads() {
  std::vector<std::future<absl::Status>> opened;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    std::promise<absl::Status> promise;
    opened.push_back(promise.get_future());
    threads_.emplace_back([core = cores_[i].get(), promise = std::move(promise)]() mutable {
      absl::Status status = core->Open();
      const bool ok = status.ok();
      promise.set_value(std::move(status));
      if (ok) core->Run();
    });
    if (options_.pin_threads) PinToCpu(threads_.back(), i);
  }
  absl::Status first;
  for (std::future<absl::Status>& result : opened) first.Update(result.get());
  return first;
}

Engine::Impl::~Impl() {
  if (Close().ok() || ProcessGeneration() == process_) return;
  // In a forked child there are no such threads, and the rings, the callbacks and the log are the
  // parent's: nothing of it is touched.
  for (std::thread& thread : threads_) thread.detach();
  for (auto& core : cores_) core.release();  // NOLINT(bugprone-unused-return-value)
}

absl::Status Engine::Impl::Close() {
  if (ProcessGeneration() != process_) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  if (closed_) return close_status_;
  for (uint32_t i = 0; i < attached_.size(); ++i) {
    if (!attached_[i] || cores_[i]->closed() || cores_[i]->OnOwnerThread()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "shard ", i, " is attached to a thread that has not closed it: call its Close() there"));
  }
  closed_ = true;
  for (auto& core : cores_) core->Shut();
  for (std::thread& thread : threads_) thread.join();
  for (auto& core : cores_) {
    if (!core->closed()) core->Close().IgnoreError();
    close_status_.Update(core->info().failure);
  }
  lock_.reset();
  return close_status_;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

absl::StatusOr<AppendFuture> Engine::Append(ShardId shard, absl::Span<const std::byte> payload,
                                            const AppendOptions& options) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  auto* state = new AppendState(2);
  if (absl::Status pushed = core->Push({.payload = payload, .options = options, .state = state});
      !pushed.ok()) {
    state->Release();
    state->Release();
    return pushed;
  }
  return AppendFuture(state);
}

absl::Status Engine::Append(ShardId shard, absl::Span<const std::byte> payload,
                            const AppendOptions& options, AppendCallback on_done) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  auto* state = new AppendState(std::move(on_done));
  absl::Status pushed = core->Push({.payload = payload, .options = options, .state = state});
  if (!pushed.ok()) state->Release();
  return pushed;
}

absl::Status Engine::Post(ShardId shard, absl::Span<const std::byte> payload,
                          const AppendOptions& options) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  return core->Push({.payload = payload, .options = options});
}

Lsn Engine::durable_lsn(ShardId shard) const {
  const ShardCore* core = impl_->core(shard);
  return core == nullptr ? Lsn() : core->durable_lsn();
}

absl::StatusOr<std::unique_ptr<ShardReplay>> Engine::Replay(ShardId shard, Lsn from) const {
  const auto found = impl_->recovered().find(ToIndex(shard));
  if (found == impl_->recovered().end()) return impl_->NoSuchShard(shard);
  ASSIGN_OR_RETURN(std::unique_ptr<StorageIo> io, CreateStorageIo(ReadIoOptions(impl_->options())));
  LogReaderOptions options;
  options.from = from;
  options.to = found->second.end.lsn;
  options.direct = impl_->options().shard.direct;
  ASSIGN_OR_RETURN(std::unique_ptr<LogReader> reader,
                   LogReader::Open(FileSystem::Host(), *io, impl_->DirectoryOf(shard), options));
  return std::unique_ptr<ShardReplay>(new ShardReplay(std::move(io), std::move(reader)));
}

std::vector<ShardId> Engine::shards_on_disk() const {
  std::vector<ShardId> shards;
  for (const auto& [index, log] : impl_->recovered()) shards.push_back(ShardId{index});
  return shards;
}

const LogEndReport& Engine::recovered_end(ShardId shard) const {
  const auto found = impl_->recovered().find(ToIndex(shard));
  return found == impl_->recovered().end() ? kNothingFound : found->second.end;
}

absl::StatusOr<Shard*> Engine::AttachShard(ShardId shard) {
  if (impl_->options().threads != EngineOptions::Threads::kHost) {
    return absl::FailedPreconditionError("attach: the engine runs its shards itself");
  }
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  if (impl_->attached(shard)) {
    return absl::FailedPreconditionError(
        absl::StrCat("attach: shard ", ToIndex(shard), " has a thread already"));
  }
  RETURN_IF_ERROR(core->Open());
  impl_->set_attached(shard);
  return core;
}

absl::Status Engine::TruncateBefore(ShardId shard, Lsn lsn) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  if (core->OnOwnerThread()) return core->writer().TruncateBefore(lsn);
  if (!core->has_thread()) {
    return absl::FailedPreconditionError(
        absl::StrCat("truncate: no thread runs shard ", ToIndex(shard)));
  }
  auto* state = new AppendState(2);
  AppendFuture done(state);
  if (absl::Status pushed = core->Push({.state = state, .truncate = true, .truncate_lsn = lsn});
      !pushed.ok()) {
    state->Release();
    return pushed;
  }
  return done.Wait().status();
}

ShardInfo Engine::info(ShardId shard) const {
  const ShardCore* core = impl_->core(shard);
  return core == nullptr ? ShardInfo{} : core->info();
}

const LogUuid& Engine::uuid() const { return impl_->meta().uuid; }

absl::Status Engine::Close() { return impl_->Close(); }

}  // namespace corewal
