// The ways to append from any thread: batches, waiting for room, coroutines, stops; what posting on
// a failed shard says; how shards sleep.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#ifdef __cpp_impl_coroutine
#include <coroutine>
#endif

#include "absl/strings/str_cat.h"
#include "engine/append_state.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class EngineAppendTest : public EngineTest {};

TEST_P(EngineAppendTest, BatchIsContiguousInOrderAndAnsweredOnce) {
  Open(options());
  std::vector<std::string> texts;
  std::vector<std::thread> clients;
  for (const char name : {'a', 'b', 'c'}) {
    clients.emplace_back([this, name] {
      for (int round = 0; round < 20; ++round) {
        std::vector<std::string> records;
        for (int i = 0; i < 10; ++i) records.push_back(absl::StrCat(std::string(1, name), i));
        std::vector<absl::Span<const std::byte>> spans;
        for (const std::string& record : records) spans.push_back(BytesOf(record));
        auto future = engine().AppendBatch(ShardId{0}, spans, {.wait_for_room = absl::Seconds(60)});
        ASSERT_OK(future.status());
        const absl::StatusOr<Lsn> last = future->Wait();
        ASSERT_OK(last.status());
        EXPECT_LT(*last, engine().durable_lsn(ShardId{0}));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  Reopen(options());
  const std::vector<std::string> all = ReplayTexts(0);
  ASSERT_EQ(all.size(), 600u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i], absl::StrCat(all[i / 10 * 10].substr(0, 1), i % 10)) << i;
  }
}

TEST_P(EngineAppendTest, BatchLargerThanAllBuffersArrivesWhole) {
  Open(options());
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::string(9000, static_cast<char>('a' + i % 26)));
  std::vector<absl::Span<const std::byte>> spans;
  for (const std::string& text : texts) spans.push_back(BytesOf(text));
  auto future = engine().AppendBatch(ShardId{0}, spans);
  ASSERT_OK(future.status());
  EXPECT_OK(future->Wait().status());
  EXPECT_TRUE(absl::IsInvalidArgument(engine().AppendBatch(ShardId{0}, {}).status()));
  Reopen(options());
  EXPECT_EQ(ReplayTexts(0), texts);
}

// Nobody runs the shard, so the mailbox fills for certain.
TEST_P(EngineAppendTest, FullMailboxRefusesAtOnceOrAfterTheDeadlineOrLetsInWhenThereIsRoom) {
  EngineOptions with = options();
  with.threads = EngineOptions::Threads::kHost;
  with.shard.mailbox_bytes = 4096;
  Open(with);
  const std::string text(500, 'x');
  int accepted = 0;
  while (engine().Post(ShardId{0}, BytesOf(text)).ok()) ++accepted;
  EXPECT_TRUE(absl::IsResourceExhausted(engine().Post(ShardId{0}, BytesOf(text))));
  const absl::Status late =
      engine().Post(ShardId{0}, BytesOf(text), {.wait_for_room = absl::Milliseconds(5)});
  EXPECT_TRUE(absl::IsResourceExhausted(late)) << late;
  std::thread client([&] {
    EXPECT_OK(
        engine().Post(ShardId{0}, BytesOf("patient"), {.wait_for_room = absl::InfiniteDuration()}));
  });
  absl::StatusOr<Shard*> shard = engine().AttachShard(ShardId{0});
  ASSERT_OK(shard.status());
  const Lsn begin = (*shard)->durable_lsn();
  while ((*shard)->durable_lsn() == begin) EXPECT_OK((*shard)->Poll());
  client.join();
  const absl::Status own = engine().Post(ShardId{0}, BytesOf("x"), {});
  EXPECT_OK(own);
  EXPECT_OK((*shard)->Close());
  Reopen(options());
  const std::vector<std::string> texts = ReplayTexts(0);
  EXPECT_EQ(texts.size(), static_cast<size_t>(accepted) + 2);
}

TEST_P(EngineAppendTest, WaitingForRoomEndsWhenTheEngineIsClosed) {
  EngineOptions with = options();
  with.threads = EngineOptions::Threads::kHost;
  with.shard.mailbox_bytes = 4096;
  Open(with);
  while (engine().Post(ShardId{0}, BytesOf(std::string(500, 'x'))).ok()) {
  }
  std::atomic<bool> waits{false};
  std::thread client([&] {
    waits.store(true);
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().Post(
        ShardId{0}, BytesOf(std::string(500, 'x')), {.wait_for_room = absl::InfiniteDuration()})));
  });
  while (!waits.load()) std::this_thread::yield();
  EXPECT_OK(engine().Close());
  client.join();
}

TEST_P(EngineAppendTest, StopEndsTheWaitAndNotTheAppend) {
  EngineOptions with = options();
  with.threads = EngineOptions::Threads::kHost;
  Open(with);
  auto future = engine().Append(ShardId{0}, BytesOf("x"));
  ASSERT_OK(future.status());
  std::stop_source stop;
  std::atomic<bool> waits{false};
  std::thread stopper([&] {
    while (!waits.load()) std::this_thread::yield();
    stop.request_stop();
  });
  waits.store(true);
  EXPECT_TRUE(absl::IsCancelled(future->Wait(stop.get_token()).status()));
  stopper.join();
  EXPECT_TRUE(absl::IsCancelled(future->Wait(stop.get_token()).status())) << "stopped before";
  EXPECT_TRUE(absl::IsDeadlineExceeded(future->WaitFor(absl::Milliseconds(1)).status()));
  absl::StatusOr<Shard*> shard = engine().AttachShard(ShardId{0});
  ASSERT_OK(shard.status());
  while (!future->ready()) EXPECT_OK((*shard)->Poll());
  EXPECT_OK(future->Wait(stop.get_token()).status()) << "ready comes first";
  EXPECT_OK((*shard)->Close());
}

// A stop that comes at any moment of the wait ends it: one that is lost hangs the test.
TEST_P(EngineAppendTest, StopIsNeverLost) {
  EngineOptions with = options();
  with.threads = EngineOptions::Threads::kHost;
  Open(with);
  auto future = engine().Append(ShardId{0}, BytesOf("x"));
  ASSERT_OK(future.status());
  for (int i = 0; i < 2000; ++i) {
    std::stop_source stop;
    std::atomic<bool> go{false};
    std::thread stopper([&] {
      while (!go.load()) {
      }
      stop.request_stop();
    });
    go.store(true);
    ASSERT_TRUE(absl::IsCancelled(future->Wait(stop.get_token()).status()));
    stopper.join();
  }
}

#ifdef __cpp_impl_coroutine
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};

Task AppendInTurn(Engine& engine, int count, std::vector<Lsn>* lsns, std::atomic<bool>* done) {
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<AppendFuture> future =
        engine.Append(ShardId{static_cast<uint32_t>(i % 2)}, BytesOf(absl::StrCat(i)));
    EXPECT_OK(future.status());
    const absl::StatusOr<Lsn> lsn = co_await *future;
    EXPECT_OK(lsn.status());
    lsns->push_back(lsn.value_or(Lsn()));
  }
  done->store(true);
  done->notify_all();
}

TEST_P(EngineAppendTest, CoroutineGoesOnWhenItsAppendIsDurable) {
  Open(options(2));
  std::vector<Lsn> first, second;
  std::atomic<bool> first_done{false}, second_done{false};
  AppendInTurn(engine(), 200, &first, &first_done);
  AppendInTurn(engine(), 200, &second, &second_done);
  first_done.wait(false);
  second_done.wait(false);
  EXPECT_EQ(first.size(), 200u);
  EXPECT_EQ(second.size(), 200u);
  for (size_t i = 2; i < first.size(); ++i) EXPECT_LT(first[i - 2], first[i]);
}
#endif

TEST_P(EngineAppendTest, AnswersAreReused) {
  Open(options());
  std::vector<AppendFuture> futures;
  const auto round = [&] {
    for (int i = 0; i < 100; ++i) {
      auto future = engine().Append(ShardId{0}, BytesOf("x"));
      ASSERT_OK(future.status());
      futures.push_back(*std::move(future));
    }
    for (AppendFuture& future : futures) EXPECT_OK(future.Wait().status());
    futures.clear();
  };
  round();
  AppendAndWait(0, "all answers are back, for answers come in LSN order");
  const uint64_t states = AppendState::pool_size();
  for (int i = 0; i < 50; ++i) round();
  EXPECT_EQ(AppendState::pool_size(), states);
}

double CpuSeconds() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

TEST_P(EngineAppendTest, IdleEngineUsesNoCpu) {
  Open(options(4));
  for (uint32_t shard = 0; shard < 4; ++shard) AppendAndWait(shard, "x");
  const MonotonicNs settled = Clock::System().Now() + 500'000'000;  // seals are written
  Clock::System().SleepUntil(settled);
  const double before = CpuSeconds();
  Clock::System().SleepUntil(settled + 2'000'000'000);
  EXPECT_LT(CpuSeconds() - before, 0.005 * 2);
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineAppendTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
