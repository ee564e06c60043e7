#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "engine/append_state.h"
#include "engine/engine_impl.h"

namespace corewal {
namespace {

const LogEndReport kNothingFound{.end = LogEnd::kEmpty, .row = "E0"};
constexpr uint64_t kBatchesBetweenSaves = 1u << 16;  // bounds what recovery must look at

// 0: do not wait.
MonotonicNs RoomDeadline(absl::Duration wait) {
  return wait <= absl::ZeroDuration() ? 0 : DeadlineAfter(wait);
}

}  // namespace

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options) {
  return OpenEngineIn(options, EngineEnvironment{});
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngineIn(const EngineOptions& options,
                                                     const EngineEnvironment& environment) {
  auto impl = std::make_unique<Engine::Impl>(options, environment);
  RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

absl::StatusOr<AppendFuture> Engine::Append(ShardId shard, absl::Span<const std::byte> payload,
                                            const SendOptions& options) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  AppendState* state = AppendState::Take(2);
  absl::Status pushed = core->PushBlocking({.payload = payload,
                                            .options = {options.durability, options.type},
                                            .state = state,
                                            .epoch = impl_->epochs().open().value()},
                                           RoomDeadline(options.wait_for_room));
  if (pushed.ok()) return AppendFuture(state);
  state->Release();
  state->Release();
  return pushed;
}

absl::Status Engine::Append(ShardId shard, absl::Span<const std::byte> payload,
                            const SendOptions& options, AppendCallback on_done) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  AppendState* state = AppendState::Take(std::move(on_done));
  absl::Status pushed = core->PushBlocking({.payload = payload,
                                            .options = {options.durability, options.type},
                                            .state = state,
                                            .epoch = impl_->epochs().open().value()},
                                           RoomDeadline(options.wait_for_room));
  if (!pushed.ok()) state->Release();
  return pushed;
}

absl::Status Engine::Post(ShardId shard, absl::Span<const std::byte> payload,
                          const SendOptions& options) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  return core->PushBlocking({.payload = payload,
                             .options = {options.durability, options.type},
                             .epoch = impl_->epochs().open().value()},
                            RoomDeadline(options.wait_for_room));
}

absl::StatusOr<AppendFuture> Engine::AppendBatch(
    ShardId shard, absl::Span<const absl::Span<const std::byte>> payloads,
    const SendOptions& options) {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  if (payloads.empty()) return absl::InvalidArgumentError("a batch of no records");
  AppendState* state = AppendState::Take(2);
  absl::Status pushed = core->PushBlocking({.kind = Mailbox::Kind::kBatch,
                                            .records = payloads,
                                            .options = {options.durability, options.type},
                                            .state = state,
                                            .epoch = impl_->epochs().open().value()},
                                           RoomDeadline(options.wait_for_room));
  if (pushed.ok()) return AppendFuture(state);
  state->Release();
  state->Release();
  return pushed;
}

absl::StatusOr<AppendFuture> Engine::AppendAtomically(absl::Span<const AtomicPart> parts,
                                                      absl::Duration wait_for_room) {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  if (parts.empty()) return absl::InvalidArgumentError("an atomic batch of no parts");
  for (const AtomicPart& part : parts) {
    if (impl_->core(part.shard) == nullptr) return impl_->NoSuchShard(part.shard);
    if (!IsUserType(part.type)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "record type ", static_cast<uint32_t>(part.type), " is corewal's own; use 0 to 127"));
    }
    if (part.payload.size() > kRecordBytesMax - 24 - 16 * parts.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a part of ", part.payload.size(), " bytes: too large"));
    }
  }
  RETURN_IF_ERROR(impl_->AllowAtomic());
  const MonotonicNs deadline = RoomDeadline(wait_for_room);
  AppendState* state = AppendState::Take(2);
  for (;;) {
    std::vector<uint32_t> seen;
    for (const auto& core : impl_->cores()) seen.push_back(core->room_seen());
    ShardId full{};
    absl::Status begun = impl_->batches().Begin(parts, state, &full);
    if (begun.ok()) break;
    if (absl::IsResourceExhausted(begun) && deadline != 0) {
      begun = impl_->core(full)->WaitForRoom(seen[ToIndex(full)], deadline);
      if (begun.ok()) continue;
    }
    state->Release();
    state->Release();
    return begun;
  }
  if (impl_->batches().begun() % kBatchesBetweenSaves == 0) impl_->SaveState(nullptr).IgnoreError();
  return AppendFuture(state);
}

absl::StatusOr<Epoch> Engine::AdvanceEpoch() {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  RETURN_IF_ERROR(impl_->epochs().status());
  RETURN_IF_ERROR(impl_->AllowEpochs());
  const Epoch closed = impl_->epochs().Advance();
  for (const auto& core : impl_->cores()) core->Wake();
  return closed;
}

absl::StatusOr<Epoch> Engine::Barrier(absl::Duration timeout) {
  RETURN_IF_ERROR(impl_->CheckMayWait("Barrier"));
  for (const auto& core : impl_->cores()) {
    if (!core->OnOwnerThread()) continue;
    return absl::FailedPreconditionError(
        "Barrier on a shard's own thread would wait for itself; use AdvanceEpoch and "
        "durable_epoch");
  }
  ASSIGN_OR_RETURN(const Epoch closed, AdvanceEpoch());
  RETURN_IF_ERROR(impl_->epochs().WaitDurable(closed, DeadlineAfter(timeout)));
  return closed;
}

Epoch Engine::durable_epoch() const { return impl_->epochs().durable(); }
absl::Status Engine::epoch_status() const { return impl_->epochs().status(); }
absl::Status Engine::atomic_status() const { return impl_->batches().status(); }
Epoch Engine::recovered_epoch() const { return impl_->recovered_epoch(); }

Lsn Engine::durable_lsn(ShardId shard) const {
  const ShardCore* core = impl_->core(shard);
  return core == nullptr ? Lsn() : core->durable_lsn();
}

absl::StatusOr<std::unique_ptr<ShardReplay>> Engine::Replay(ShardId shard, Lsn from) const {
  const auto found = impl_->recovered().find(ToIndex(shard));
  if (found == impl_->recovered().end()) return impl_->NoSuchShard(shard);
  ASSIGN_OR_RETURN(std::unique_ptr<StorageIo> io, impl_->CreateReadIo(8));
  LogReaderOptions options;
  options.from = from;
  options.to = found->second.end.lsn;
  options.direct = impl_->options().shard.direct;
  ASSIGN_OR_RETURN(
      std::unique_ptr<LogReader> reader,
      LogReader::Open(*impl_->environment().files, *io, impl_->DirectoryOf(shard), options));
  return std::unique_ptr<ShardReplay>(
      new ShardReplay(std::move(io), std::move(reader), impl_->hidden(), shard));
}

absl::StatusOr<std::unique_ptr<Subscription>> Engine::Subscribe(ShardId shard, Lsn from) const {
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  Subscription::Source source;
  source.shard = shard;
  source.limit = [impl = impl_.get(), core] {
    // A record of a batch that is not decided waits for that, and all behind it. The LSN is read
    // first: below it is nothing of a batch that begins after.
    const Lsn durable = core->durable_lsn();
    return impl->batches().begun() > 0 ? impl->batches().Floor(core->shard()) : durable;
  };
  source.hidden = [impl = impl_.get()](const RecordPlace& place) {
    return impl->hidden()->count(place) > 0 || impl->batches().Hidden(place);
  };
  source.over = [impl = impl_.get(), core]() -> absl::Status {
    if (core->failed()) return core->info().failure;
    if (impl->batches().Held(core->shard())) return impl->batches().status();
    if (!core->closed()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("shard ", ToIndex(core->shard()), " is closed, and was read to its end"));
  };
  source.wait = [impl = impl_.get(), core, limit = source.limit, over = source.over](
                    Lsn beyond, MonotonicNs deadline) {
    if (impl->InTurn()) deadline = 0;
    while (limit() <= beyond && over().ok()) {
      if (Clock::System().Now() >= deadline) return false;
      // A batch may be decided by another shard: that moves no durable LSN here.
      const MonotonicNs soon = Clock::System().Now() + 10'000'000;
      core->WaitDurableBeyond(std::max(beyond, core->durable_lsn()), std::min(deadline, soon));
    }
    return true;
  };
  ASSIGN_OR_RETURN(std::unique_ptr<StorageIo> io, impl_->CreateReadIo(8));
  LogFollowerOptions options;
  options.from = from;
  options.durable.lsn = source.limit;
  options.direct = impl_->options().shard.direct;
  std::unique_ptr<Subscription> made(new Subscription(std::move(source), std::move(io)));
  ASSIGN_OR_RETURN(made->follower_, LogFollower::Open(*impl_->environment().files, *made->io_,
                                                      impl_->DirectoryOf(shard), options));
  return made;
}

absl::StatusOr<std::unique_ptr<MergedReplay>> Engine::ReplayMerged(Epoch up_to) const {
  const bool to_cut = up_to != Epoch(UINT64_MAX);
  if (to_cut && up_to > recovered_epoch()) {
    return absl::InvalidArgumentError(
        absl::StrCat("epoch ", up_to.value(),
                     " is not complete; the last one that is: ", recovered_epoch().value()));
  }
  auto hidden = std::make_shared<std::set<RecordPlace>>(*impl_->hidden());
  if (to_cut) {
    ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, impl_->CreateReadIo(8));
    ASSIGN_OR_RETURN(const std::set<RecordPlace> beyond,
                     PartsBeyondCut(impl_->recovered_engine(), *io, up_to));
    hidden->insert(beyond.begin(), beyond.end());
  }
  std::vector<MergedReplay::Stream> streams;
  for (const ShardId shard : shards_on_disk()) {
    MergedReplay::Stream stream;
    stream.shard = shard;
    ASSIGN_OR_RETURN(stream.replay, Replay(shard));
    stream.replay->hidden_ = hidden;
    stream.done = to_cut && BeginsBeyondCut(impl_->recovered().at(ToIndex(shard)), up_to);
    streams.push_back(std::move(stream));
  }
  return std::unique_ptr<MergedReplay>(new MergedReplay(std::move(streams), up_to));
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

ShardInfo Engine::info(ShardId shard) const {
  const ShardCore* core = impl_->core(shard);
  return core == nullptr ? ShardInfo{} : core->info();
}

EngineMetrics Engine::metrics() const {
  EngineMetrics metrics;
  for (const auto& core : impl_->cores()) metrics.shards.push_back(core->info());
  metrics.open_epoch = impl_->epochs().open();
  metrics.durable_epoch = durable_epoch();
  metrics.epoch_status = epoch_status();
  metrics.atomic_status = atomic_status();
  metrics.atomic_batches = impl_->batches().begun();
  return metrics;
}

const LogUuid& Engine::uuid() const { return impl_->meta().uuid; }

absl::Status Engine::Close() { return impl_->Close(); }

}  // namespace corewal
