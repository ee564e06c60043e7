// Corners of shards that a host runs, or that nobody runs.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

class HostShardTest : public EngineTest {
 protected:
  EngineOptions host_options() const {
    EngineOptions host = options();
    host.threads = EngineOptions::Threads::kHost;
    return host;
  }
  Shard* OpenAndAttach() {
    Open(host_options());
    absl::StatusOr<Shard*> attached = engine().AttachShard(ShardId{0});
    EXPECT_OK(attached.status());
    return attached.value_or(nullptr);
  }
};

// Once it had failed, nothing woke the host for appends from elsewhere: they were never answered.
TEST_P(HostShardTest, FailedShardStillWakesItsHostToAnswer) {
  RunInChild([this] {
    signal(SIGXFSZ, SIG_IGN);
    Shard* const shard = OpenAndAttach();
    ASSERT_NE(shard, nullptr);
    const absl::StatusOr<int> fd = shard->notify_fd();
    ASSERT_OK(fd.status());
    const rlimit limit = {64 << 10, 64 << 10};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 100 && shard->WaitDurable().ok(); ++i) {
      shard->Append(BytesOf(std::string(5000, 'f'))).IgnoreError();
    }
    const absl::Status failure = shard->Poll();
    ASSERT_FALSE(failure.ok());
    pollfd wait{.fd = *fd, .events = POLLIN, .revents = 0};
    while (poll(&wait, 1, 0) == 1) shard->Poll().IgnoreError();  // what was under way has ended
    for (int i = 0; i < 3; ++i) {
      absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf("too late"));
      ASSERT_OK(future.status());
      ASSERT_EQ(poll(&wait, 1, -1), 1);
      EXPECT_EQ(shard->Poll(), failure);
      ASSERT_TRUE(future->ready());
      EXPECT_EQ(future->Wait().status(), failure);
    }
    EXPECT_EQ(shard->Close(), failure);
    engine_.reset();
  });
}

// An open batch without records counted as something to do, and Wait returned at once.
TEST_P(HostShardTest, ReservationTakenBackDoesNotKeepWaitAwake) {
  Shard* const shard = OpenAndAttach();
  ASSERT_NE(shard, nullptr);
  ASSERT_OK(shard->Append(BytesOf("record")).status());
  ASSERT_OK(shard->WaitDurable());
  LogWriter& writer = shard->writer();
  const auto busy = [&] {
    const IoStats io = engine().info(ShardId{0}).io_stats;
    return writer.next_timer() != kNever || io.submitted != io.completed ||
           writer.stats().seals == 0 ||
           writer.stats().segments_ready < options().shard.segments_ready;
  };
  while (busy()) ASSERT_OK(shard->Wait(Clock::System().Now() + 1'000'000));
  ASSERT_OK(writer.Reserve(100).status());
  writer.Cancel();
  const MonotonicNs deadline = Clock::System().Now() + 20'000'000;
  // A sleep may end for no reason, but hardly ever does; not to sleep gives thousands of turns.
  int turns = 0;
  for (; Clock::System().Now() < deadline; ++turns) ASSERT_OK(shard->Wait(deadline));
  EXPECT_LT(turns, 20);
  EXPECT_OK(shard->Close());
}

// The directory's lock is gone by then.
TEST_P(HostShardTest, ClosedEngineOpensNoShard) {
  Open(host_options());
  EXPECT_OK(engine().Close());
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().AttachShard(ShardId{0}).status()));
}

// It waited for a thread that its own caller was about to become.
TEST_P(HostShardTest, TruncationOfAShardThatNobodyRunsIsRefused) {
  Open(host_options());
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().TruncateBefore(ShardId{0}, Lsn())));
}

// Such a log was gone on with, and could not be opened the next time.
TEST_P(HostShardTest, DirectoryOfAnotherShardOfThisLogIsRefused) {
  Open(options(2));
  AppendAndWait(0, "of shard 0");
  Close();
  std::filesystem::remove_all(ShardDirectory(directory(), ShardId{1}));
  std::filesystem::rename(ShardDirectory(directory(), ShardId{0}),
                          ShardDirectory(directory(), ShardId{1}));
  const absl::Status refused = Engine::Open(options(2)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.message().find("shard-0001"), absl::string_view::npos) << refused;
}

// The deadline overflowed into the past.
TEST_P(HostShardTest, FutureMayBeWaitedForFourHundredYears) {
  Open(options());
  absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf("x"));
  ASSERT_OK(future.status());
  EXPECT_OK(future->WaitFor(absl::Hours(24 * 365 * 400)).status());
}

INSTANTIATE_TEST_SUITE_P(Backends, HostShardTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
