// Epochs, atomic batches, checkpoints and truncation of an engine with its own threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

class EngineEpochTest : public EngineTest {
 protected:
  Epoch Barrier() {
    const absl::StatusOr<Epoch> epoch = engine().Barrier(absl::Seconds(60));
    EXPECT_OK(epoch.status());
    return epoch.value_or(Epoch());
  }
  void AppendAtomically(const std::vector<std::pair<uint32_t, std::string>>& records) {
    std::vector<AtomicPart> parts;
    for (const auto& [shard, text] : records) parts.push_back({ShardId{shard}, BytesOf(text)});
    auto future = engine().AppendAtomically(parts, absl::Seconds(60));
    ASSERT_OK(future.status());
    ASSERT_OK(future->Wait().status());
  }
  std::vector<std::string> Merged(Epoch up_to) {
    std::vector<std::string> texts;
    auto replay = engine().ReplayMerged(up_to);
    EXPECT_OK(replay.status());
    if (!replay.ok()) return texts;
    ShardId shard;
    RecordView record;
    while ((*replay)->Next(&shard, &record)) {
      texts.push_back(absl::StrCat(ToIndex(shard), ":", TextOf(record.payload)));
    }
    EXPECT_OK((*replay)->status());
    return texts;
  }
};

TEST_P(EngineEpochTest, BarrierCoversWhatWasAppendedBeforeAndIdleShardsTakePart) {
  Open(options(3));
  EXPECT_EQ(engine().durable_epoch(), Epoch(0));
  ASSERT_OK(engine().Post(ShardId{1}, BytesOf("before")));
  const Epoch first = Barrier();
  EXPECT_EQ(engine().durable_epoch(), first);
  ASSERT_OK(engine().Post(ShardId{2}, BytesOf("between")));
  const Epoch second = Barrier();
  EXPECT_GT(second, first);
  AppendAndWait(0, "after");
  Reopen(options(3));
  EXPECT_EQ(engine().recovered_epoch(), second);
  EXPECT_EQ(Merged(first), (std::vector<std::string>{"1:before"}));
  EXPECT_EQ(Merged(second), (std::vector<std::string>{"1:before", "2:between"}));
  EXPECT_EQ(Merged(Epoch(UINT64_MAX)),
            (std::vector<std::string>{"1:before", "2:between", "0:after"}));
  EXPECT_TRUE(absl::IsInvalidArgument(engine().ReplayMerged(second + 1).status()));
  EXPECT_EQ(ReplayTexts(1), std::vector<std::string>{"before"}) << "barriers are not handed out";
}

TEST_P(EngineEpochTest, EpochsGoOnOverReopeningAndOtherShardCounts) {
  Epoch last;
  std::vector<std::string> expected;
  for (const uint32_t shards : {1u, 3u, 2u, 4u}) {
    Open(options(shards));
    EXPECT_EQ(engine().recovered_epoch(), last);
    if (last > Epoch(0)) {
      EXPECT_EQ(Merged(last), expected);
    }
    const std::string text = absl::StrCat("of ", shards);
    AppendAndWait(shards - 1, text);
    const Epoch epoch = Barrier();
    EXPECT_GT(epoch, last);
    last = epoch;
    expected.push_back(absl::StrCat(shards - 1, ":", text));
    AppendAndWait(0, "beyond the cut");
    Close();
    expected.push_back("0:beyond the cut");
    Open(options(shards));
    EXPECT_EQ(engine().recovered_epoch(), last);
    std::vector<std::string> to_cut = expected;
    to_cut.pop_back();
    EXPECT_EQ(Merged(last), to_cut);
    last = Barrier();
    Close();
  }
}

TEST_P(EngineEpochTest, BarriersFromManyThreadsBesideAppendsAllComplete) {
  Open(options(2));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this, t] {
      Epoch last;
      for (int i = 0; i < 30; ++i) {
        ASSERT_OK(engine().Post(ShardId{static_cast<uint32_t>((t + i) % 2)}, BytesOf("x"),
                                {.wait_for_room = absl::Seconds(60)}));
        const Epoch epoch = Barrier();
        EXPECT_GT(epoch, last);
        EXPECT_GE(engine().durable_epoch(), epoch);
        last = epoch;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(engine().durable_epoch(), Epoch(90));
}

// Pairs: whoever sees a record of shard 1 in a cut must see the one of shard 0 that was accepted
// before it.
TEST_P(EngineEpochTest, CutIsClosed) {
  constexpr int kPairs = 3000;
  Open(options(2));
  std::vector<Epoch> cuts;
  std::atomic<bool> done{false};
  std::thread cutter([&] {
    while (!done.load()) cuts.push_back(Barrier());
  });
  const SendOptions patient{.wait_for_room = absl::Seconds(60)};
  for (int i = 0; i < kPairs; ++i) {
    ASSERT_OK(
        engine().Post(ShardId{static_cast<uint32_t>(i % 2)}, BytesOf(absl::StrCat(i)), patient));
  }
  done.store(true);
  cutter.join();
  Reopen(options(2));
  for (size_t i = 0; i < cuts.size(); i += 1 + cuts.size() / 20) {
    int highest = -1;
    const std::vector<std::string> texts = Merged(cuts[i]);
    for (const std::string& text : texts) highest = std::max(highest, std::stoi(text.substr(2)));
    EXPECT_EQ(static_cast<int>(texts.size()), highest + 1) << "cut " << cuts[i];
  }
}

TEST_P(EngineEpochTest, AtomicBatchIsReplayedAsTheRecordsItCarries) {
  Open(options(3));
  AppendAndWait(2, "plain");
  AppendAtomically(
      {{0, "home"}, {1, "part"}, {2, "other part"}, {0, "second on the home's shard"}});
  AppendAtomically({{1, "alone"}});
  EXPECT_TRUE(absl::IsInvalidArgument(engine().AppendAtomically({}).status()));
  Reopen(options(3));
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"second on the home's shard", "home"}));
  EXPECT_EQ(ReplayTexts(1), (std::vector<std::string>{"part", "alone"}));
  EXPECT_EQ(ReplayTexts(2), (std::vector<std::string>{"plain", "other part"}));
}

TEST_P(EngineEpochTest, AtomicBatchesFromManyThreadsAllArriveOnce) {
  Open(options(3));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string text = absl::StrCat(t, "/", i);
        const auto shard = static_cast<uint32_t>((t + i) % 3);
        AppendAtomically({{shard, text}, {(shard + 1) % 3, text}});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Reopen(options(3));
  std::vector<std::string> all;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    for (const std::string& text : ReplayTexts(shard)) all.push_back(text);
  }
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 300u);
  for (size_t i = 0; i < all.size(); i += 2) {
    EXPECT_EQ(all[i], all[i + 1]);
    if (i > 0) {
      EXPECT_NE(all[i], all[i - 1]);
    }
  }
}

TEST_P(EngineEpochTest, TruncationKeepsWhatBatchesNeedAndReplaysTheRestWhole) {
  Open(options(2));
  const std::string filler(30'000, 'f');
  Lsn last_home;
  for (int i = 0; i < 40; ++i) {
    AppendAtomically({{0, absl::StrCat("home ", i)}, {1, absl::StrCat("part ", i)}});
    last_home = AppendAndWait(0, filler);
  }
  const size_t segments = SegmentPaths(0).size();
  ASSERT_OK(engine().TruncateBefore(ShardId{0}, last_home));
  EXPECT_LT(SegmentPaths(0).size(), segments);
  Reopen(options(2));
  const std::vector<std::string> parts = ReplayTexts(1);
  ASSERT_EQ(parts.size(), 40u) << "their homes are gone, and they count";
  EXPECT_LT(ReplayTexts(0).size(), 80u);
}

TEST_P(EngineEpochTest, LastCheckpointIsFoundAgain) {
  Open(options(2));
  EXPECT_TRUE(absl::IsNotFound(engine().recovered_checkpoint(ShardId{0}).status()));
  const Lsn first = AppendAndWait(0, "a");
  ASSERT_OK(engine().Checkpoint(ShardId{0}, first, BytesOf("snapshot 1")));
  const Lsn second = AppendAndWait(0, "b");
  ASSERT_OK(engine().Checkpoint(ShardId{0}, second, BytesOf("snapshot 2")));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      engine().Checkpoint(ShardId{0}, engine().durable_lsn(ShardId{0}) + 4096)));
  Reopen(options(2));
  const auto found = engine().recovered_checkpoint(ShardId{0});
  ASSERT_OK(found.status());
  EXPECT_EQ(found->lsn, second);
  EXPECT_EQ(found->note, "snapshot 2");
  EXPECT_EQ(Replay(0, found->lsn).size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(engine().recovered_checkpoint(ShardId{1}).status()));
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"a", "b"}));
}

TEST_P(EngineEpochTest, HostDrivenShardsOfferTheSame) {
  EngineOptions with = options(2);
  with.threads = EngineOptions::Threads::kHost;
  Open(with);
  Shard* shards[2];
  for (uint32_t i = 0; i < 2; ++i) {
    absl::StatusOr<Shard*> attached = engine().AttachShard(ShardId{i});
    ASSERT_OK(attached.status());
    shards[i] = *attached;
  }
  ASSERT_OK(shards[0]->Append(BytesOf("direct")).status());
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().Barrier().status()));
  const absl::StatusOr<Epoch> epoch = engine().AdvanceEpoch();
  ASSERT_OK(epoch.status());
  ASSERT_OK(shards[1]->Append(BytesOf("of the next epoch")).status());
  auto batch = engine().AppendAtomically(
      {AtomicPart{ShardId{0}, BytesOf("home")}, AtomicPart{ShardId{1}, BytesOf("part")}});
  ASSERT_OK(batch.status());
  while (!batch->ready() || engine().durable_epoch() < *epoch) {
    for (Shard* shard : shards) EXPECT_OK(shard->Poll());
  }
  EXPECT_OK(batch->Wait().status());
  ASSERT_OK(engine().Checkpoint(ShardId{1}, shards[1]->durable_lsn()));
  ASSERT_OK(engine().TruncateBefore(ShardId{1}, shards[1]->durable_lsn()));
  Reopen(options(2));
  EXPECT_EQ(Merged(*epoch), std::vector<std::string>{"0:direct"});
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"direct", "home"}));
  EXPECT_EQ(ReplayTexts(1), (std::vector<std::string>{"of the next epoch", "part"}));
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineEpochTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
