// One shard fails while epochs and atomic batches go on: the others do not notice, what needs all
// of them says why it stopped, and Close gives the first cause.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);

class EngineFailureTest : public EngineTest {
 protected:
  // From now on no file of this process grows or is written beyond 64 KiB; shard 0 gets there.
  absl::Status FailShardZero() {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {64 << 10, 64 << 10};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const std::string text(20'000, 'f');
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) status = AppendTo(0, text);
    EXPECT_FALSE(status.ok());
    return status;
  }
  absl::Status AppendTo(uint32_t shard, const std::string& text) {
    absl::StatusOr<AppendFuture> future = engine().Append(ShardId{shard}, BytesOf(text));
    if (!future.ok()) return future.status();
    return future->WaitFor(kLong).status();
  }
  absl::Status AppendToBoth(uint32_t first, uint32_t second) {
    const std::string text = "part";
    const AtomicPart parts[] = {{ShardId{first}, BytesOf(text)}, {ShardId{second}, BytesOf(text)}};
    absl::StatusOr<AppendFuture> future = engine().AppendAtomically(parts);
    if (!future.ok()) return future.status();
    return future->WaitFor(kLong).status();
  }
};

TEST_P(EngineFailureTest, OthersGoOnEpochsStopAndSayWhyAndCloseGivesTheFirstCause) {
  RunInChild([this] {
    Open(options(3));
    AppendAndWait(1, "before");
    ASSERT_OK(AppendToBoth(0, 1));
    const absl::StatusOr<Epoch> before = engine().Barrier(kLong);
    ASSERT_OK(before.status());
    const absl::Status failure = FailShardZero();

    const absl::Status stopped = engine().Barrier(kLong).status();
    EXPECT_FALSE(stopped.ok());
    EXPECT_FALSE(absl::IsDeadlineExceeded(stopped)) << stopped;
    EXPECT_NE(stopped.message().find("shard 0 failed"), absl::string_view::npos) << stopped;
    EXPECT_EQ(engine().epoch_status(), stopped);
    EXPECT_EQ(engine().AdvanceEpoch().status(), stopped);
    EXPECT_EQ(engine().durable_epoch(), *before);
    EXPECT_NE(engine().metrics().ToPrometheus().find("corewal_epochs_stopped 1"),
              std::string::npos);

    ASSERT_OK(AppendTo(1, "after"));
    ASSERT_OK(AppendToBoth(1, 2));
    for (const auto& [first, second] : {std::pair(0u, 1u), std::pair(2u, 0u)}) {
      const absl::Status half = AppendToBoth(first, second);
      EXPECT_FALSE(half.ok());
      EXPECT_FALSE(absl::IsDeadlineExceeded(half)) << half;
    }
    EXPECT_OK(engine().info(ShardId{1}).failure);
    EXPECT_OK(engine().info(ShardId{2}).failure);
    ASSERT_OK(engine().SetCursor(ShardId{1}, "goes-on", Lsn()));
    EXPECT_EQ(engine().SetCursor(ShardId{0}, "not", Lsn()), failure);
    EXPECT_EQ(engine().Close(), failure);
    engine_.reset();

    Open(options(3));
    EXPECT_EQ(engine().recovered_epoch(), *before);
    EXPECT_EQ(ReplayTexts(1), (std::vector<std::string>{"before", "part", "after", "part"}));
    EXPECT_EQ(ReplayTexts(2), std::vector<std::string>{"part"});
    EXPECT_GT(engine().Barrier(kLong).value_or(Epoch()), *before);
    engine_.reset();
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineFailureTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
