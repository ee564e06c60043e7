// Shards run by the host's own threads: AttachShard, Append, Poll, Wait, notify_fd.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class EngineHostTest : public EngineTest {
 protected:
  EngineOptions host_options(uint32_t shards = 1) const {
    EngineOptions host = options(shards);
    host.threads = EngineOptions::Threads::kHost;
    return host;
  }
  Shard* Attach(uint32_t shard) {
    absl::StatusOr<Shard*> attached = engine().AttachShard(ShardId{shard});
    EXPECT_OK(attached.status());
    return attached.value_or(nullptr);
  }
  void ReplayWithEngineThreads(const std::vector<std::string>& expected) {
    engine_.reset();
    Open(options());
    EXPECT_EQ(ReplayTexts(0), expected);
  }
};

TEST_P(EngineHostTest, HostAppendsAndWaitsByItself) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  std::vector<std::string> texts;
  std::vector<Lsn> called;
  for (int i = 0; i < 200; ++i) {
    texts.push_back(absl::StrCat(i, std::string(500, 'h')));
    absl::StatusOr<Lsn> lsn = absl::ResourceExhaustedError("");
    while (absl::IsResourceExhausted(lsn.status())) {
      lsn = shard->Append(BytesOf(texts.back()), {}, [&called](const absl::StatusOr<Lsn>& done) {
        EXPECT_OK(done.status());
        called.push_back(done.value_or(Lsn()));
      });
      if (!lsn.ok()) {
        EXPECT_OK(shard->Wait(kNever));
      }
    }
    ASSERT_OK(lsn.status());
    if (i % 3 == 0) {
      EXPECT_OK(shard->Poll());
    }
  }
  while (called.size() < texts.size()) EXPECT_OK(shard->Wait(kNever));
  for (size_t i = 1; i < called.size(); ++i) EXPECT_LT(called[i - 1], called[i]);
  EXPECT_GT(shard->durable_lsn(), called.back());
  EXPECT_EQ(engine().durable_lsn(ShardId{0}), shard->durable_lsn());
  EXPECT_OK(shard->Close());
  EXPECT_OK(shard->Close());
  EXPECT_TRUE(absl::IsFailedPrecondition(shard->Append(BytesOf("late"), {}).status()));
  EXPECT_OK(engine().Close());
  ReplayWithEngineThreads(texts);
}

TEST_P(EngineHostTest, WaitDurableCoversEverythingAppended) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  Lsn last;
  for (int i = 0; i < 5; ++i) {
    const absl::StatusOr<Lsn> lsn =
        shard->Append(BytesOf(absl::StrCat(i)), {.durability = Durability::kAppended});
    ASSERT_OK(lsn.status());
    last = *lsn;
    EXPECT_LE(shard->durable_lsn(), last);
  }
  EXPECT_OK(shard->WaitDurable());
  EXPECT_GT(shard->durable_lsn(), last);
  EXPECT_OK(engine().Close()) << "of the shard too, since this is its thread";
  ReplayWithEngineThreads({"0", "1", "2", "3", "4"});
}

TEST_P(EngineHostTest, OthersWaitWhileTheHostHasARecordOpen) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  const std::string large(3 << 20, 'l');
  ASSERT_OK(shard->writer().BeginRecord(large.size()));
  absl::StatusOr<AppendFuture> other = engine().Append(ShardId{0}, BytesOf("other"));
  ASSERT_OK(other.status());
  ASSERT_OK(engine().AdvanceEpoch().status());
  for (size_t taken = 0; taken < large.size();) {
    const auto part =
        BytesOf(large).subspan(taken, std::min<size_t>(100'000, large.size() - taken));
    const absl::StatusOr<uint64_t> more = shard->writer().AppendPart(part);
    ASSERT_TRUE(more.ok() || absl::IsResourceExhausted(more.status())) << more.status();
    taken += more.value_or(0);
    ASSERT_OK(more.ok() ? shard->Poll() : shard->Wait(kNever));
    EXPECT_FALSE(other->ready());
    EXPECT_TRUE(absl::IsFailedPrecondition(shard->Append(BytesOf("mine")).status()));
  }
  ASSERT_OK(shard->writer().EndRecord().status());
  while (!other->ready()) ASSERT_OK(shard->Wait(kNever));
  EXPECT_OK(other->Wait().status());
  // One that is open when the shard is closed keeps nobody waiting for good.
  ASSERT_OK(shard->writer().BeginRecord(large.size()));
  ASSERT_OK(engine().Post(ShardId{0}, BytesOf("posted")));
  ASSERT_OK(shard->writer().AppendPart(BytesOf(large).subspan(0, 2'500'000)).status());
  EXPECT_OK(shard->Close());
  EXPECT_OK(engine().Close());
  ReplayWithEngineThreads({large, "other", "posted"});
}

TEST_P(EngineHostTest, AppendsFromOtherThreadsArriveThroughPollAndWait) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  absl::StatusOr<AppendFuture> before = engine().Append(ShardId{0}, BytesOf("before any Poll"));
  ASSERT_OK(before.status());
  EXPECT_TRUE(absl::IsDeadlineExceeded(before->WaitFor(absl::Milliseconds(1)).status()))
      << "nobody runs the shard";
  EXPECT_FALSE(before->ready());
  while (!before->ready()) EXPECT_OK(shard->Poll());
  std::atomic<bool> stop{false};
  std::thread client([&] {
    for (int i = 0; i < 200; ++i) AppendAndWait(0, absl::StrCat(i));
    stop.store(true);
    EXPECT_OK(engine().Post(ShardId{0}, BytesOf("wakes the shard")));
  });
  while (!stop.load()) EXPECT_OK(shard->Wait(kNever));
  client.join();
  EXPECT_OK(shard->Close());
  EXPECT_OK(engine().Close());
  Open(options());
  EXPECT_EQ(Replay(0).size(), 202u);
}

// A host that sleeps in epoll alone: a wake-up that is lost hangs the test.
TEST_P(EngineHostTest, NotifyFdWakesForMessagesAndCompletions) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  const absl::StatusOr<int> fd = shard->notify_fd();
  ASSERT_OK(fd.status());
  EXPECT_EQ(shard->notify_fd(), fd);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{.events = EPOLLIN, .data = {.u64 = 7}};
  ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, *fd, &wanted), 0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  clients.reserve(2);
  std::atomic<int> running{2};
  for (int client = 0; client < 2; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 150; ++i) AppendAndWait(0, absl::StrCat(i));
      if (--running > 0) return;
      stop.store(true);
      EXPECT_OK(engine().Post(ShardId{0}, BytesOf("wakes the host")));
    });
  }
  while (!stop.load()) {
    epoll_event event{};
    const int n = epoll_wait(epoll, &event, 1, -1);
    if (n == 1) {
      EXPECT_EQ(event.data.u64, 7u);
    }
    EXPECT_OK(shard->Poll());
  }
  for (std::thread& client : clients) client.join();
  close(epoll);
  EXPECT_OK(shard->Close());
}

// Nobody asks for the record to be durable; the log's own timer must wake the host.
TEST_P(EngineHostTest, NotifyFdWakesForTheIdleTimerAndThenStaysQuiet) {
  Open(host_options());
  Shard* const shard = Attach(0);
  ASSERT_NE(shard, nullptr);
  const absl::StatusOr<int> fd = shard->notify_fd();
  ASSERT_OK(fd.status());
  pollfd wait{.fd = *fd, .events = POLLIN, .revents = 0};
  for (int round = 0; round < 3; ++round) {
    const absl::StatusOr<Lsn> lsn =
        shard->Append(BytesOf("idle"), {.durability = Durability::kAppended});
    ASSERT_OK(lsn.status());
    EXPECT_OK(shard->Poll());
    while (shard->durable_lsn() <= *lsn) {
      ASSERT_EQ(poll(&wait, 1, -1), 1);
      EXPECT_OK(shard->Poll());
    }
  }
  const uint64_t seals = engine().info(ShardId{0}).writer.seals;
  while (engine().info(ShardId{0}).writer.seals == seals) {
    ASSERT_EQ(poll(&wait, 1, -1), 1);
    EXPECT_OK(shard->Poll());
  }
  // What is under way (the seal, a segment being prepared) ends, and then nothing wakes it.
  int wakes = 0;
  while (poll(&wait, 1, 50) == 1) {
    ASSERT_LT(++wakes, 200) << "an idle shard wakes its host again and again";
    EXPECT_OK(shard->Poll());
  }
  EXPECT_OK(shard->Close());
}

TEST_P(EngineHostTest, EachShardHasOneThreadAndItIsTheHosts) {
  Open(host_options(2));
  std::vector<std::thread> hosts;
  std::atomic<bool> stop{false};
  for (uint32_t index = 0; index < 2; ++index) {
    hosts.emplace_back([&, index] {
      Shard* const shard = Attach(index);
      ASSERT_NE(shard, nullptr);
      EXPECT_TRUE(absl::IsFailedPrecondition(engine().AttachShard(ShardId{index}).status()));
      const std::thread::id self = std::this_thread::get_id();
      bool called = false;
      EXPECT_OK(engine().Append(ShardId{index}, BytesOf("by message"), {},
                                [&](const absl::StatusOr<Lsn>& lsn) {
                                  EXPECT_OK(lsn.status());
                                  EXPECT_EQ(std::this_thread::get_id(), self);
                                  called = true;
                                }));
      while (!called || !stop.load()) {
        EXPECT_OK(shard->Wait(Clock::System().Now() + 1'000'000));
      }
      EXPECT_OK(shard->Close());
    });
  }
  AppendAndWait(0, "from outside");
  AppendAndWait(1, "from outside");
  stop.store(true);
  for (std::thread& host : hosts) host.join();
  EXPECT_TRUE(absl::IsInvalidArgument(engine().AttachShard(ShardId{2}).status()));
  EXPECT_OK(engine().Close());
  engine_.reset();
  Open(options());
  EXPECT_EQ(Replay(0).size(), 2u);
  EXPECT_EQ(Replay(1).size(), 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().AttachShard(ShardId{0}).status()))
      << "the engine runs its shards itself";
}

TEST_P(EngineHostTest, CloseIsRefusedWhileAThreadRunsAShard) {
  Open(host_options());
  std::atomic<int> step{0};
  std::thread host([&] {
    Shard* const shard = Attach(0);
    ASSERT_NE(shard, nullptr);
    step.store(1);
    while (step.load() < 2) EXPECT_OK(shard->Wait(Clock::System().Now() + 1'000'000));
    EXPECT_OK(shard->Close());
  });
  while (step.load() < 1) std::this_thread::yield();
  const absl::Status refused = engine().Close();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  AppendAndWait(0, "still open");
  step.store(2);
  host.join();
  EXPECT_OK(engine().Close());
  ReplayWithEngineThreads({"still open"});
}

TEST_P(EngineHostTest, AppendsToAShardThatNobodyRunsAreAnsweredAtClose) {
  Open(host_options());
  absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf("x"));
  ASSERT_OK(future.status());
  EXPECT_OK(engine().Close());
  EXPECT_TRUE(absl::IsCancelled(future->Wait().status()));
  ReplayWithEngineThreads({});
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineHostTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
