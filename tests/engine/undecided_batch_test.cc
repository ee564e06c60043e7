// A failure leaves an atomic batch undecided: how far the healthy shards are truncated and followed
// then, what says why they stop, and that nothing which was answered is lost by it.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "tests/engine/breakable_shards.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class UndecidedBatchTest : public EngineTest {
 protected:
  ~UndecidedBatchTest() override { engine_.reset(); }

  void OpenAsHost() {
    engine_ = shards_.Open(options(4));
    ASSERT_NE(engine_, nullptr);
    for (uint32_t shard = 0; shard < 4; ++shard) Fill(shard);
  }
  // More than a segment.
  void Fill(uint32_t shard) {
    for (int i = 0; i < 20; ++i) {
      absl::StatusOr<AppendFuture> sent =
          engine().Append(ShardId{shard}, BytesOf(std::string(16'000, 'f')));
      ASSERT_OK(sent.status());
      shards_.RunUntil(*sent);
    }
  }
  AppendFuture Begin(uint32_t home, uint32_t part, const std::string& text) {
    const AtomicPart parts[] = {{ShardId{home}, BytesOf(text)}, {ShardId{part}, BytesOf(text)}};
    absl::StatusOr<AppendFuture> future = engine().AppendAtomically(parts);
    EXPECT_OK(future.status());
    return future.ok() ? *std::move(future) : AppendFuture();
  }
  // A part of it is durable on shard 1, and its home was written by shard 0 in vain.
  void LeaveUndecided() {
    AppendFuture undecided = Begin(0, 1, "undecided");
    shards_.Run(1);
    shards_.Break(0);
    shards_.RunUntilBroken(0);
    shards_.Run(1);
    ASSERT_TRUE(undecided.ready());
    EXPECT_FALSE(undecided.Wait().ok());
  }
  Lsn Commit(uint32_t home, uint32_t part, const std::string& text) {
    AppendFuture future = Begin(home, part, text);
    shards_.RunUntil(future);
    const absl::StatusOr<Lsn> lsn = future.Wait();
    EXPECT_OK(lsn.status());
    return lsn.value_or(Lsn());
  }
  // Truncates all that may go; where the log begins then.
  Lsn Truncate(uint32_t shard) {
    EXPECT_OK(engine().TruncateBefore(ShardId{shard}, engine().durable_lsn(ShardId{shard})));
    return engine().info(ShardId{shard}).oldest;
  }
  int64_t CountReplayed(uint32_t shard, const std::string& text) {
    const std::vector<std::string> texts = ReplayTexts(shard);
    return std::count(texts.begin(), texts.end(), text);
  }

  BreakableShards shards_;
};

TEST_P(UndecidedBatchTest, HoldsItsShardsAndTheHomesThatRecoveryWillLookFor) {
  OpenAsHost();
  const Lsn undecided_at = engine().durable_lsn(ShardId{1});
  LeaveUndecided();
  // Its part on shard 1 stands above what shard 1 can be truncated to, so its home must stay.
  const Lsn home = Commit(2, 1, "decided");
  Commit(3, 3, "elsewhere");
  for (const uint32_t shard : {1, 2, 3}) Fill(shard);

  EXPECT_LE(Truncate(1), undecided_at);
  const Lsn two = Truncate(2);
  EXPECT_LE(two, home);
  EXPECT_GT(two, Lsn()) << "what is before the home goes";
  EXPECT_GT(Truncate(3), Lsn());
  const Lsn before = engine().info(ShardId{3}).oldest;
  Fill(3);
  EXPECT_GT(Truncate(3), before) << "nothing of it is on shard 3, which goes on for good";

  const absl::Status status = engine().atomic_status();
  EXPECT_FALSE(status.ok());
  for (const char* named : {"shard 1 ", "shard 2 ", "reopened"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), named)) << status;
  }
  EXPECT_FALSE(absl::StrContains(status.message(), "shard 3 ")) << status;
  EXPECT_EQ(engine().metrics().atomic_status, status);
  EXPECT_TRUE(
      absl::StrContains(engine().metrics().ToPrometheus(), "corewal_atomic_batches_undecided 1\n"));

  EXPECT_FALSE(engine().Close().ok());
  engine_.reset();
  Open(options(4));
  EXPECT_OK(engine().atomic_status());
  EXPECT_EQ(CountReplayed(1, "decided"), 1);
  EXPECT_EQ(CountReplayed(2, "decided"), 1);
  EXPECT_EQ(CountReplayed(0, "undecided"), CountReplayed(1, "undecided"));
}

TEST_P(UndecidedBatchTest, EndsTheSubscriptionsOfTheShardsThatItHoldsOnly) {
  OpenAsHost();
  LeaveUndecided();
  absl::StatusOr<std::unique_ptr<Subscription>> held =
      engine().Subscribe(ShardId{1}, engine().durable_lsn(ShardId{1}));
  absl::StatusOr<std::unique_ptr<Subscription>> free =
      engine().Subscribe(ShardId{3}, engine().durable_lsn(ShardId{3}));
  ASSERT_OK(held.status());
  ASSERT_OK(free.status());
  Commit(3, 2, "goes on");
  RecordView record;
  EXPECT_EQ((*held)->Next(&record).status(), engine().atomic_status());
  ASSERT_TRUE((*free)->Next(&record).value_or(false));
  EXPECT_EQ(TextOf(record.payload), "goes on");
  EXPECT_FALSE((*free)->Next(&record).value_or(true)) << "nothing more, and no end";
}

TEST_P(UndecidedBatchTest, ManyBatchesGoOnBesideIt) {
  OpenAsHost();
  LeaveUndecided();
  for (int i = 0; i < 20; ++i) {
    Commit(2, 3, absl::StrCat("beside ", i));
    Commit(3, 1, absl::StrCat("behind ", i));
  }
  EXPECT_FALSE(engine().Close().ok());
  engine_.reset();
  Open(options(4));
  const std::vector<std::string> one = ReplayTexts(1), two = ReplayTexts(2), three = ReplayTexts(3);
  for (int i = 0; i < 20; ++i) {
    const std::string beside = absl::StrCat("beside ", i), behind = absl::StrCat("behind ", i);
    EXPECT_EQ(std::count(two.begin(), two.end(), beside), 1);
    EXPECT_EQ(std::count(three.begin(), three.end(), beside), 1);
    EXPECT_EQ(std::count(three.begin(), three.end(), behind), 1);
    EXPECT_EQ(std::count(one.begin(), one.end(), behind), 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, UndecidedBatchTest,
                         testing::Values(EngineSetting{IoBackend::kPosix, SyncMethod::kDatasync},
                                         EngineSetting{IoBackend::kUring, SyncMethod::kDsync}),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
