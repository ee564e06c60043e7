// The engine with its own threads: append, wait, close, reopen, replay.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

using testing::ValuesIn;

TEST_P(EngineTest, AppendedRecordsAreReplayedAfterReopening) {
  Open(options());
  std::vector<Replayed> appended;
  for (int i = 0; i < 100; ++i) {
    const std::string text =
        absl::StrCat("record ", i, std::string(static_cast<size_t>(i * i), 'x'));
    appended.push_back({AppendAndWait(0, text), text});
    EXPECT_LT(appended.back().lsn, engine().durable_lsn(ShardId{0}));
  }
  for (size_t i = 1; i < appended.size(); ++i) EXPECT_LT(appended[i - 1].lsn, appended[i].lsn);
  EXPECT_TRUE(Replay(0).empty()) << "replay is of what had survived at opening";
  Reopen(options());
  EXPECT_EQ(Replay(0), appended);
  EXPECT_EQ(engine().recovered_end(ShardId{0}).end, LogEnd::kSealed);
}

TEST_P(EngineTest, LogGoesOnAfterEachReopeningAndBothBackendsReadIt) {
  std::vector<Replayed> appended;
  for (int opening = 0; opening < 6; ++opening) {
    EngineOptions with = options();
    if (opening % 2 == 1 && CanHave(OtherBackend(GetParam().backend)).ok()) {
      with.shard.io.backend = OtherBackend(GetParam().backend);
    }
    Open(with);
    EXPECT_EQ(Replay(0), appended);
    EXPECT_EQ(engine().durable_lsn(ShardId{0}), engine().recovered_end(ShardId{0}).lsn);
    for (int i = 0; i < 20; ++i) {
      const std::string text = absl::StrCat(opening, "/", i, std::string(3000, 'y'));
      appended.push_back({AppendAndWait(0, text), text});
    }
    Close();
  }
}

TEST_P(EngineTest, ReplayBeginsWhereItIsAsked) {
  Open(options());
  for (int i = 0; i < 50; ++i) AppendAndWait(0, absl::StrCat(i));
  Reopen(options());
  const std::vector<Replayed> all = Replay(0);
  ASSERT_EQ(all.size(), 50u);
  for (const size_t from : {0, 1, 25, 49}) {
    EXPECT_EQ(Replay(0, all[from].lsn),
              std::vector(all.begin() + static_cast<long>(from), all.end()));
  }
  EXPECT_TRUE(Replay(0, all.back().lsn + 1).empty());
}

TEST_P(EngineTest, RecordsOfEverySizeComeBackWhole) {
  Open(options());
  std::vector<std::string> texts;
  for (const size_t bytes : {0, 1, 3, 4, 4095, 4096, 60'000, 65'536, 200'000, 1'000'000}) {
    texts.emplace_back(bytes, static_cast<char>('a' + texts.size()));
    AppendAndWait(0, texts.back());
  }
  Reopen(options());
  EXPECT_EQ(ReplayTexts(0), texts);
}

TEST_P(EngineTest, OpeningAndClosingLeavesNothingBehind) {
  Open(options(2));
  AppendAndWait(0, "x");
  Close();
  const std::vector<std::string> files = FilesOnDisk();
  for (int i = 0; i < 10; ++i) {
    Open(options(2));
    Close();
  }
  EXPECT_EQ(FilesOnDisk(), files);
  Open(options(2));
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"x"});
}

TEST_P(EngineTest, AcceptedRecordsAreDurableAfterClose) {
  Open(options());
  for (int i = 0; i < 500; ++i) ASSERT_OK(engine().Post(ShardId{0}, BytesOf(absl::StrCat(i))));
  Reopen(options());
  const std::vector<std::string> texts = ReplayTexts(0);
  ASSERT_EQ(texts.size(), 500u);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i], absl::StrCat(i));
}

TEST_P(EngineTest, PostedRecordBecomesDurableWithoutAnotherAppend) {
  Open(options());
  for (const Durability durability : {Durability::kDurable, Durability::kAppended}) {
    const Lsn before = engine().durable_lsn(ShardId{0});
    ASSERT_OK(engine().Post(ShardId{0}, BytesOf("x"), {.durability = durability}));
    while (engine().durable_lsn(ShardId{0}) == before) std::this_thread::yield();
  }
}

TEST_P(EngineTest, CallbacksRunInLsnOrderOnTheShardsThread) {
  constexpr int kAppends = 500;
  Open(options());
  std::vector<std::pair<int, Lsn>> called;  // by the shard's thread alone, until Close
  std::thread::id thread;
  bool one_thread = true;
  for (int i = 0; i < kAppends; ++i) {
    ASSERT_OK(engine().Append(ShardId{0}, BytesOf(absl::StrCat(i)), {},
                              [&, i](const absl::StatusOr<Lsn>& lsn) {
                                if (called.empty()) thread = std::this_thread::get_id();
                                one_thread &= thread == std::this_thread::get_id();
                                called.emplace_back(i, lsn.value_or(Lsn()));
                              }));
  }
  Close();
  ASSERT_EQ(called.size(), static_cast<size_t>(kAppends));
  EXPECT_TRUE(one_thread);
  EXPECT_NE(thread, std::this_thread::get_id());
  for (size_t i = 0; i < called.size(); ++i) {
    EXPECT_EQ(called[i].first, static_cast<int>(i));
    if (i > 0) {
      EXPECT_LT(called[i - 1].second, called[i].second);
    }
  }
}

TEST_P(EngineTest, CallbackMayAppend) {
  Open(options(2));
  std::atomic<int> left{100};
  std::function<void()> append = [&] {
    const int number = left.load();
    const absl::Status accepted =
        engine().Append(ShardId{static_cast<uint32_t>(number % 2)}, BytesOf(absl::StrCat(number)),
                        {}, [&](const absl::StatusOr<Lsn>& lsn) {
                          EXPECT_OK(lsn.status());
                          if (--left > 0) append();
                        });
    EXPECT_OK(accepted);
  };
  append();
  while (left.load() > 0) std::this_thread::yield();
  Reopen(options(2));
  EXPECT_EQ(Replay(0).size() + Replay(1).size(), 100u);
}

TEST_P(EngineTest, FuturesMayBeMovedDroppedAndAskedAgain) {
  Open(options());
  AppendFuture none;
  EXPECT_FALSE(none.valid());
  ASSERT_OK(engine().Append(ShardId{0}, BytesOf("dropped")).status());
  absl::StatusOr<AppendFuture> first = engine().Append(ShardId{0}, BytesOf("first"));
  absl::StatusOr<AppendFuture> second = engine().Append(ShardId{0}, BytesOf("second"));
  ASSERT_OK(first.status());
  ASSERT_OK(second.status());
  const absl::StatusOr<Lsn> lsn = second->Wait();
  ASSERT_OK(lsn.status());
  EXPECT_TRUE(first->ready()) << "what comes before a durable record is durable";
  EXPECT_EQ(second->Wait(), lsn);
  EXPECT_EQ(second->WaitFor(absl::ZeroDuration()), lsn);
  none = *std::move(second);
  EXPECT_EQ(none.Wait(), lsn);
  *first = std::move(none);
  EXPECT_EQ(first->Wait(), lsn);
  Reopen(options());
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"dropped", "first", "second"}));
}

TEST_P(EngineTest, FewerShardsLeaveTheOldOnesReplayableAndTheyGoOnLater) {
  Open(options(3));
  for (uint32_t shard = 0; shard < 3; ++shard) AppendAndWait(shard, absl::StrCat("of ", shard));
  Reopen(options(1));
  EXPECT_EQ(engine().shards_on_disk(), (std::vector<ShardId>{ShardId{0}, ShardId{1}, ShardId{2}}));
  EXPECT_EQ(ReplayTexts(2), std::vector<std::string>{"of 2"});
  EXPECT_EQ(engine().recovered_end(ShardId{2}).end, LogEnd::kSealed);
  const absl::Status refused = engine().Append(ShardId{2}, BytesOf("x")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  AppendAndWait(0, "more");
  Reopen(options(4));
  AppendAndWait(2, "more");
  AppendAndWait(3, "new");
  Reopen(options(2));
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"of 0", "more"}));
  EXPECT_EQ(ReplayTexts(1), (std::vector<std::string>{"of 1"}));
  EXPECT_EQ(ReplayTexts(2), (std::vector<std::string>{"of 2", "more"}));
  EXPECT_EQ(ReplayTexts(3), (std::vector<std::string>{"new"}));
  EXPECT_TRUE(absl::IsInvalidArgument(engine().Replay(ShardId{4}).status()));
}

TEST_P(EngineTest, NewShardIsReportedEmpty) {
  Open(options());
  EXPECT_EQ(engine().recovered_end(ShardId{0}).end, LogEnd::kEmpty);
  EXPECT_TRUE(Replay(0).empty());
  EXPECT_EQ(engine().durable_lsn(ShardId{0}), Lsn());
}

TEST_P(EngineTest, TruncationGivesUpTheOldestSegmentsOnly) {
  Open(options());
  std::vector<Replayed> appended;
  for (int i = 0; i < 60; ++i) {
    const std::string text = absl::StrCat(i, std::string(20'000, 't'));
    appended.push_back({AppendAndWait(0, text), text});
  }
  const size_t segments = SegmentPaths(0).size();
  const Lsn keep = appended[40].lsn;
  EXPECT_OK(engine().TruncateBefore(ShardId{0}, keep));
  EXPECT_LT(SegmentPaths(0).size(), segments);
  const absl::Status beyond =
      engine().TruncateBefore(ShardId{0}, engine().durable_lsn(ShardId{0}) + 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(beyond)) << beyond;
  const std::string text = "after";
  appended.push_back({AppendAndWait(0, text), text});
  Reopen(options());
  const std::vector<Replayed> left = Replay(0);
  ASSERT_FALSE(left.empty());
  EXPECT_LE(left.front().lsn, keep);
  EXPECT_GT(left.front().lsn, appended.front().lsn);
  EXPECT_EQ(left, std::vector(appended.end() - static_cast<long>(left.size()), appended.end()));
}

TEST_P(EngineTest, TruncatedAndRecycledSegmentsStayGoneAfterReopening) {
  std::vector<Replayed> appended;
  for (int opening = 0; opening < 4; ++opening) {
    Open(options());
    const std::vector<Replayed> left = Replay(0);
    ASSERT_LE(left.size(), appended.size());
    EXPECT_EQ(left, std::vector(appended.end() - static_cast<long>(left.size()), appended.end()));
    for (int i = 0; i < 40; ++i) {
      const std::string text = absl::StrCat(opening, "/", i, std::string(30'000, 't'));
      appended.push_back({AppendAndWait(0, text), text});
      if (i % 10 == 9) {
        EXPECT_OK(engine().TruncateBefore(ShardId{0}, appended.back().lsn));
      }
    }
    EXPECT_LT(SegmentPaths(0).size(), 10u) << "forty records fill five segments; the log grew";
    Close();
  }
}

TEST_P(EngineTest, InfoSaysWhatIsInEffect) {
  Open(options(2));
  AppendAndWait(1, "x");
  Close();
  Open(options(2));
  const ShardInfo info = engine().info(ShardId{1});
  EXPECT_EQ(info.sync_method, GetParam().sync_method);
  EXPECT_EQ(info.io.backend, GetParam().backend == IoBackend::kPosix ? "posix" : "uring");
  EXPECT_FALSE(info.file_system.empty());
  EXPECT_EQ(info.durable, engine().durable_lsn(ShardId{1}));
  EXPECT_OK(info.failure);
}

TEST_P(EngineTest, ClosingTwiceGivesTheSameAnswerAndNothingIsAcceptedAfter) {
  Open(options());
  AppendAndWait(0, "x");
  const Lsn durable = engine().durable_lsn(ShardId{0});
  EXPECT_OK(engine().Close());
  EXPECT_OK(engine().Close());
  const absl::Status future = engine().Append(ShardId{0}, BytesOf("y")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(future)) << future;
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().Post(ShardId{0}, BytesOf("y"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(engine().TruncateBefore(ShardId{0}, durable)));
  EXPECT_GE(engine().durable_lsn(ShardId{0}), durable);
  EXPECT_OK(engine().info(ShardId{0}).failure);
}

TEST_P(EngineTest, ForkedChildIsRefusedAndTheParentGoesOn) {
  Open(options(2));
  const Lsn lsn = AppendAndWait(0, "before");
  int callbacks = 0;
  RunInChild([&] {
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().Append(ShardId{0}, BytesOf("x")).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().Post(ShardId{1}, BytesOf("x"))));
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().Append(
        ShardId{1}, BytesOf("x"), {}, [&](const absl::StatusOr<Lsn>&) { ++callbacks; })));
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().TruncateBefore(ShardId{0}, lsn)));
    EXPECT_TRUE(absl::IsFailedPrecondition(engine().Close()));
    engine_.reset();
    EXPECT_EQ(callbacks, 0);
  });
  AppendAndWait(0, "after");
  Reopen(options(2));
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"before", "after"}));
  EXPECT_TRUE(Replay(1).empty());
}

TEST_P(EngineTest, SeveralClientsOnSeveralShards) {
  constexpr uint32_t kShards = 3, kClients = 4;
  constexpr int kAppends = 150;
  Open(options(kShards));
  std::vector<std::thread> clients;
  for (uint32_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      std::vector<AppendFuture> pending;
      for (int i = 0; i < kAppends; ++i) {
        for (uint32_t shard = 0; shard < kShards; ++shard) {
          const std::string text =
              absl::StrCat(client, ":", i, ":", std::string(static_cast<size_t>(i), 'c'));
          absl::StatusOr<AppendFuture> future = engine().Append(ShardId{shard}, BytesOf(text));
          while (absl::IsResourceExhausted(future.status())) {
            std::this_thread::yield();
            future = engine().Append(ShardId{shard}, BytesOf(text));
          }
          ASSERT_OK(future.status());
          pending.push_back(*std::move(future));
        }
        if (i % 7 == 0) {
          EXPECT_OK(pending.back().Wait().status());
        }
      }
      for (AppendFuture& future : pending) EXPECT_OK(future.Wait().status());
    });
  }
  for (std::thread& client : clients) client.join();
  Reopen(options(kShards));
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    std::map<std::string, int> next;
    for (const std::string& text : ReplayTexts(shard)) {
      const std::string client = text.substr(0, text.find(':'));
      const std::string begin = absl::StrCat(client, ":", next[client]++, ":");
      EXPECT_EQ(text.substr(0, begin.size()), begin);
    }
    ASSERT_EQ(next.size(), kClients);
    for (const auto& [client, count] : next) EXPECT_EQ(count, kAppends) << client;
  }
}

// Each append either was accepted, and then its answer says what the log holds, or was not.
TEST_P(EngineTest, CloseAmongAppendsLosesNoAnswer) {
  constexpr uint32_t kClients = 3;
  Open(options());
  std::vector<std::string> durable[kClients];
  std::atomic<uint32_t> started{0};
  std::vector<std::thread> clients;
  for (uint32_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      std::vector<std::pair<std::string, AppendFuture>> pending;
      for (;;) {
        const std::string text = absl::StrCat(client, ":", pending.size());
        absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf(text));
        if (absl::IsResourceExhausted(future.status())) {
          std::this_thread::yield();
          continue;
        }
        if (!future.ok()) {
          EXPECT_TRUE(absl::IsFailedPrecondition(future.status())) << future.status();
          break;
        }
        pending.emplace_back(text, *std::move(future));
        if (pending.size() == 100) ++started;
      }
      for (auto& [text, future] : pending) {
        if (future.Wait().ok()) durable[client].push_back(text);
      }
    });
  }
  while (started.load() < kClients) std::this_thread::yield();
  EXPECT_OK(engine().Close());
  for (std::thread& client : clients) client.join();
  Reopen(options());
  std::vector<std::string> replayed[kClients];
  for (const std::string& text : ReplayTexts(0)) {
    replayed[static_cast<size_t>(text[0] - '0')].push_back(text);
  }
  for (uint32_t client = 0; client < kClients; ++client) {
    EXPECT_EQ(replayed[client], durable[client]);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineTest, ValuesIn(AllEngineSettings()), EngineSettingName);

}  // namespace
}  // namespace corewal
