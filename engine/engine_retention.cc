// How much of a shard's log is kept, as Engine has it: checkpoints, truncation, named cursors.
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "engine/append_state.h"
#include "engine/engine_impl.h"
#include "wal/control_record.h"
#include "wal/cursor_set.h"

namespace corewal {
namespace {

// Runs one call on a shard's thread, and answers `state`.
class Request final : public ControlItem {
 public:
  using Body = std::function<bool(ShardCore&, AppendState*)>;  // false: not now
  Request(Body body, AppendState* state) : body_(std::move(body)), state_(state) {}
  bool Run(ShardCore& core) override {
    if (!body_(core, state_)) return false;
    delete this;
    return true;
  }
  void Refuse(const absl::Status& why) override {
    state_->Complete(why);
    delete this;
  }

 private:
  const Body body_;
  AppendState* const state_;
};

// Runs `body` on the shard's thread and waits for its answer; on that thread itself, drives it. Not
// in a turn of any shard.
absl::StatusOr<Lsn> CallShard(ShardCore* core, Request::Body body) {
  if (!core->has_thread()) {
    return absl::FailedPreconditionError(
        core->closed() ? std::string("the engine is closed")
                       : absl::StrCat("no thread runs shard ", ToIndex(core->shard())));
  }
  AppendState* state = AppendState::Take(2);
  auto* request = new Request(std::move(body), state);
  if (!core->Submit(request)) {
    request->Refuse(absl::FailedPreconditionError("the engine is closed"));
  } else if (core->OnOwnerThread()) {
    while (!state->ready()) core->Wait(core->clock().Now() + 1'000'000).IgnoreError();
  }
  state->WaitUntil(kNever);
  absl::StatusOr<Lsn> answer = state->result();
  state->Release();
  return answer;
}

// The same for what is done at once.
absl::Status RunOnShard(ShardCore* core, std::function<absl::Status(ShardCore&)> body) {
  if (core->OnOwnerThread()) return body(*core);
  return CallShard(
             core,
             [body = std::move(body)](ShardCore& at, AppendState* state) {
               const absl::Status done = body(at);
               state->Complete(done.ok() ? absl::StatusOr<Lsn>(Lsn()) : absl::StatusOr<Lsn>(done));
               return true;
             })
      .status();
}

}  // namespace

absl::Status Engine::Checkpoint(ShardId shard, Lsn lsn, absl::Span<const std::byte> note) {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  RETURN_IF_ERROR(impl_->CheckMayWait("Checkpoint"));
  if (lsn > core->durable_lsn()) {
    return absl::FailedPreconditionError(absl::StrCat("checkpoint at lsn ", lsn.value(),
                                                      ": the log is durable to ",
                                                      core->durable_lsn().value()));
  }
  const std::string payload = CheckpointRecord{lsn, note}.Encode();
  ASSIGN_OR_RETURN(const Lsn place, CallShard(core, [payload](ShardCore& at, AppendState* state) {
                     return at.AppendControl(RecordType::kCheckpoint, payload, state);
                   }));
  return impl_->SaveState([shard, place](EngineState* state) {
    Lsn& last = state->checkpoints[ToIndex(shard)];
    last = std::max(last, place);
  });
}

absl::StatusOr<Engine::CheckpointFound> Engine::recovered_checkpoint(ShardId shard) const {
  const std::optional<Lsn> place = impl_->recovered_checkpoint(shard);
  const auto log = impl_->recovered().find(ToIndex(shard));
  const absl::Status none =
      absl::NotFoundError(absl::StrCat("shard ", ToIndex(shard), " has no checkpoint"));
  if (!place.has_value() || log == impl_->recovered().end()) return none;
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, impl_->CreateReadIo(2));
  LogReaderOptions options;
  options.from = *place;
  options.to = log->second.end.lsn;
  options.direct = impl_->options().shard.direct;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<LogReader> reader,
      LogReader::Open(*impl_->environment().files, *io, impl_->DirectoryOf(shard), options));
  RecordView record;
  if (!reader->Next(&record)) {
    RETURN_IF_ERROR(reader->end().ToStatus());
    return none;
  }
  const auto found = CheckpointRecord::Decode(record.payload);
  if (record.lsn != *place || record.type != RecordType::kCheckpoint || !found.has_value()) {
    return none;  // truncated
  }
  return CheckpointFound{found->lsn, std::string(reinterpret_cast<const char*>(found->note.data()),
                                                 found->note.size())};
}

absl::Status Engine::TruncateBefore(ShardId shard, Lsn lsn) {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  if (!core->OnOwnerThread()) RETURN_IF_ERROR(impl_->CheckMayWait("TruncateBefore"));
  Lsn limit = lsn;
  if (impl_->AtomicUsed() && lsn <= core->durable_lsn() &&
      !Mutated(Mutation::kHomeTruncatedTooEarly)) {
    // A home may go only after it is on disk that its parts need it no more. If that cannot be
    // written (disk full), what was written last counts.
    impl_->SaveState(nullptr).IgnoreError();
    limit = std::min(limit, impl_->SavedFloor(shard));
  }
  return RunOnShard(core, [limit](ShardCore& at) { return at.TruncateBefore(limit); });
}

absl::Status Engine::SetCursor(ShardId shard, absl::string_view name, Lsn lsn) {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  RETURN_IF_ERROR(impl_->CheckMayWait("SetCursor"));
  return RunOnShard(
      core, [name = std::string(name), lsn](ShardCore& at) { return at.SetCursor(name, lsn); });
}

absl::Status Engine::RemoveCursor(ShardId shard, absl::string_view name) {
  if (impl_->in_child()) {
    return absl::FailedPreconditionError("the engine is that of the process that forked this one");
  }
  ShardCore* core = impl_->core(shard);
  if (core == nullptr) return impl_->NoSuchShard(shard);
  RETURN_IF_ERROR(impl_->CheckMayWait("RemoveCursor"));
  return RunOnShard(core,
                    [name = std::string(name)](ShardCore& at) { return at.RemoveCursor(name); });
}

absl::StatusOr<std::vector<LogCursor>> Engine::cursors(ShardId shard) const {
  const ShardCore* core = impl_->core(shard);
  if (core != nullptr && (core->has_thread() || core->closed())) return core->info().cursors;
  if (core == nullptr && impl_->recovered().count(ToIndex(shard)) == 0) {
    return impl_->NoSuchShard(shard);
  }
  ASSIGN_OR_RETURN(const CursorSet set,
                   CursorSet::Read(*impl_->environment().files, impl_->DirectoryOf(shard),
                                   impl_->meta().uuid, shard));
  return set.cursors();
}

}  // namespace corewal
