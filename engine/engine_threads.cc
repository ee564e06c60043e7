// The shards of an engine and the threads that run them: made at opening, brought to their end by
// Close.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "engine/engine_impl.h"
#include "engine/shard_turn.h"

namespace corewal {
namespace {

const LogEndReport kNothingFound{.end = LogEnd::kEmpty, .row = "E0"};

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

bool Engine::Impl::InTurn() const {
  return std::any_of(cores_.begin(), cores_.end(),
                     [](const auto& core) { return ShardTurn::In(core.get()); });
}

absl::Status Engine::Impl::CheckMayWait(absl::string_view call) const {
  if (!InTurn()) return absl::OkStatus();
  return ShardTurn::Refusal(call, "call it from another thread");
}

Engine::Impl::~Impl() {
  CHECK(!InTurn()) << "an engine is destroyed by a callback on its own shard's thread";
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
  RETURN_IF_ERROR(CheckMayWait("Close"));
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
