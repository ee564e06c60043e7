// tests/engine/breakable_shards.h: an engine whose shards move only when this thread lets them, and
// fail when it says so.
#ifndef COREWAL_TESTS_ENGINE_BREAKABLE_SHARDS_H_
#define COREWAL_TESTS_ENGINE_BREAKABLE_SHARDS_H_

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/environment.h"
#include "io_backend/storage_io_factory.h"
#include "tests/engine/engine_fixture.h"
#include "tests/regression/forwarding.h"

namespace corewal {

class BreakableShards {
 public:
  static constexpr uint32_t kShardsMax = 4;

  // With Threads::kHost; attaches all shards. This object must outlive the engine.
  std::unique_ptr<Engine> Open(EngineOptions options) {
    options.threads = EngineOptions::Threads::kHost;
    EngineEnvironment environment;
    environment.create_io =
        [this](const StorageIoOptions& io) -> absl::StatusOr<std::unique_ptr<StorageIo>> {
      absl::StatusOr<std::unique_ptr<StorageIo>> made = CreateStorageIo(io);
      if (!made.ok()) return made;
      return std::make_unique<BreakableIo>(*std::move(made), &broken_[attaching_]);
    };
    absl::StatusOr<std::unique_ptr<Engine>> opened = OpenEngineIn(options, environment);
    EXPECT_OK(opened.status());
    if (!opened.ok()) return nullptr;
    for (uint32_t i = 0; i < options.shards; ++i) {
      attaching_ = i;
      absl::StatusOr<Shard*> shard = (*opened)->AttachShard(ShardId{i});
      EXPECT_OK(shard.status());
      shards_.push_back(shard.value_or(nullptr));
    }
    attaching_ = kShardsMax;
    return *std::move(opened);
  }

  Shard& operator[](uint32_t shard) { return *shards_[shard]; }
  // Until all that the shard has taken in is durable.
  void Run(uint32_t shard) {
    EXPECT_OK(shards_[shard]->Poll());
    EXPECT_OK(shards_[shard]->WaitDurable());
  }
  // Lets the shards run, each a turn, until `future` is answered.
  void RunUntil(const AppendFuture& future) {
    for (int turn = 0; turn < 100'000 && !future.ready(); ++turn) {
      for (size_t i = 0; i < shards_.size(); ++i) {
        if (broken_[i]) continue;
        EXPECT_OK(shards_[i]->Wait(Clock::System().Now() + kTurnNs));
      }
    }
    ASSERT_TRUE(future.ready());
  }
  // Every write and sync of the shard fails from now on.
  void Break(uint32_t shard) { broken_[shard] = true; }

  // Lets the shard, which is broken, run until it notices.
  void RunUntilBroken(uint32_t shard) {
    absl::Status status;
    for (int turn = 0; turn < 100'000 && status.ok(); ++turn) {
      status = shards_[shard]->Wait(Clock::System().Now() + kTurnNs);
    }
    EXPECT_FALSE(status.ok());
  }

 private:
  static constexpr MonotonicNs kTurnNs = 1'000'000;
  class BreakableIo final : public ForwardingStorageIo {
   public:
    BreakableIo(std::unique_ptr<StorageIo> inner, const bool* broken)
        : ForwardingStorageIo(std::move(inner)), broken_(broken) {}
    size_t Poll(absl::Span<Completion> out) override {
      const size_t n = ForwardingStorageIo::Poll(out);
      for (Completion& done : out.first(n)) {
        const bool writes = done.kind == OpKind::kWrite || done.kind == OpKind::kSync;
        if (*broken_ && writes) done.error = EIO;
      }
      return n;
    }

   private:
    const bool* const broken_;
  };

  std::vector<Shard*> shards_;
  std::array<bool, kShardsMax + 1> broken_{};  // the last one is for all that is no shard's
  uint32_t attaching_ = kShardsMax;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_ENGINE_BREAKABLE_SHARDS_H_
