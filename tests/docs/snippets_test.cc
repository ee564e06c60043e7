// The C++ of README.md and docs/EMBEDDING.md does what these documents say. The headers that this
// includes are made of the documents by snippets.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/docs/embedding_snippets.h"
#include "tests/docs/readme_snippets.h"

namespace corewal {
namespace {

class SnippetsTest : public testing::Test {
 protected:
  SnippetsTest() {
    const char* root = std::getenv("TEST_TMPDIR");
    directory_ = std::filesystem::path(root != nullptr ? root : testing::TempDir()) /
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~SnippetsTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Engine> Open(uint32_t shards) {
    auto engine = embedding::OpenLog(log(), shards);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? std::move(*engine) : nullptr;
  }

  std::unique_ptr<Engine> OpenAsHost() {
    EngineOptions options;
    options.directory = log();
    options.shard.segment_bytes = 4 << 20;
    options.threads = EngineOptions::Threads::kHost;
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? std::move(*engine) : nullptr;
  }

  // Opens the log again and returns the text of every record, shard by shard.
  std::vector<std::string> Replayed(Lsn from = {}) {
    auto engine = Open(1);
    std::vector<std::string> texts;
    if (engine == nullptr) return texts;
    const absl::Status status =
        embedding::ReplayAll(*engine, from, [&texts](ShardId, const RecordView& record) {
          texts.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                             record.payload.size());
        });
    EXPECT_TRUE(status.ok()) << status;
    return texts;
  }

  std::string log() const { return directory_ / "log"; }

  std::filesystem::path directory_;
};

using Texts = std::vector<std::string>;

TEST_F(SnippetsTest, ReadmeProgramPrintsTheRecordsOfTheRunsBefore) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  for (const char* printed : {"", "hello\n", "hello\nhello\n"}) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(readme::Main(), 0);
    EXPECT_EQ(testing::internal::GetCapturedStdout(), printed);
  }
  std::filesystem::current_path(before);
}

TEST_F(SnippetsTest, AppendsFromOutsideAreReplayedInOrder) {
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "one").ok());
    EXPECT_TRUE(embedding::AppendMany(*engine, ShardId{0}, Texts{"two", "three"}).ok());
    absl::StatusOr<Lsn> answer = absl::UnknownError("not answered");
    EXPECT_TRUE(embedding::AppendThen(*engine, ShardId{0}, "four", [&answer](auto lsn) {
                  answer = lsn;
                }).ok());
    EXPECT_TRUE(embedding::FirstFailure(*engine, 1).ok());
    EXPECT_TRUE(engine->Close().ok());
    EXPECT_TRUE(answer.ok()) << answer.status();
  }
  EXPECT_EQ(Replayed(), (Texts{"one", "two", "three", "four"}));
}

TEST_F(SnippetsTest, BoundedAppendsLeaveNothingOut) {
  Texts texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(i));
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(embedding::AppendBounded(*engine, ShardId{0}, texts, 7).ok());
  }
  EXPECT_EQ(Replayed(), texts);
}

TEST_F(SnippetsTest, HostThreadRunsTheShardWithMoreThanItsBuffersHold) {
  const Texts texts(64, std::string(500'000, 'x'));
  {
    auto engine = OpenAsHost();
    ASSERT_NE(engine, nullptr);
    absl::Status status;
    std::thread([&] { status = embedding::RunShard(*engine, ShardId{0}, texts); }).join();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(engine->Close().ok());
  }
  EXPECT_EQ(Replayed(), texts);
}

TEST_F(SnippetsTest, EventLoopTurnsUntilTheRecordMadeInPlaceIsDurable) {
  {
    auto engine = OpenAsHost();
    ASSERT_NE(engine, nullptr);
    auto shard = engine->AttachShard(ShardId{0});
    ASSERT_TRUE(shard.ok()) << shard.status();
    auto lsn = embedding::AppendInPlace(**shard, 3, std::byte{'y'});
    ASSERT_TRUE(lsn.ok()) << lsn.status();
    const MonotonicNs deadline = Clock::System().Now() + 60'000'000'000;
    ASSERT_TRUE((*shard)->Poll().ok());
    while ((*shard)->durable_lsn() <= *lsn && Clock::System().Now() < deadline) {
      ASSERT_TRUE(embedding::OneTurn(**shard, 1000).ok());
    }
    EXPECT_GT((*shard)->durable_lsn(), *lsn);
    EXPECT_TRUE((*shard)->Close().ok());
  }
  EXPECT_EQ(Replayed(), (Texts{"yyy"}));
}

TEST_F(SnippetsTest, CoroutineAppendsTheInvoiceBehindTheOrder) {
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    std::promise<absl::StatusOr<Lsn>> done;
    embedding::OrderThenInvoice(*engine, ShardId{0}, "order", "invoice",
                                [&done](absl::StatusOr<Lsn> lsn) { done.set_value(lsn); });
    auto answer = done.get_future();
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(60)), std::future_status::ready);
    const absl::StatusOr<Lsn> lsn = answer.get();
    EXPECT_TRUE(lsn.ok()) << lsn.status();
    EXPECT_TRUE(engine->Close().ok());

    absl::StatusOr<Lsn> refused = Lsn();
    embedding::OrderThenInvoice(*engine, ShardId{0}, "too", "late",
                                [&refused](absl::StatusOr<Lsn> answered) { refused = answered; });
    EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  }
  EXPECT_EQ(Replayed(), (Texts{"order", "invoice"}));
}

TEST_F(SnippetsTest, BarrierMakesACutOfWhatWasPosted) {
  const Texts texts = {"a", "b", "c", "d", "e"};
  Epoch cut;
  {
    auto engine = Open(3);
    ASSERT_NE(engine, nullptr);
    const absl::StatusOr<Epoch> epoch = embedding::PostAll(*engine, 3, texts);
    ASSERT_TRUE(epoch.ok()) << epoch.status();
    cut = *epoch;
    EXPECT_TRUE(embedding::PostSample(*engine, ShardId{1}, "beyond").ok());
  }
  auto engine = Open(3);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->recovered_epoch(), cut);
  Texts found;
  EXPECT_TRUE(embedding::ReplayLastCut(*engine, [&found](ShardId, const RecordView& record) {
                EXPECT_EQ(record.type, embedding::kSample);
                found.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                                   record.payload.size());
              }).ok());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, texts);
}

TEST_F(SnippetsTest, WaitingEndsAndTheAppendGoesOn) {
  {
    auto engine = OpenAsHost();
    ASSERT_NE(engine, nullptr);
    auto shard = engine->AttachShard(ShardId{0});
    ASSERT_TRUE(shard.ok()) << shard.status();
    auto future = engine->Append(ShardId{0}, std::as_bytes(std::span(std::string_view("late"))));
    ASSERT_TRUE(future.ok()) << future.status();
    const absl::Status early = embedding::WaitALittle(*future).status();  // nobody runs the shard
    EXPECT_TRUE(absl::IsDeadlineExceeded(early)) << early;
    EXPECT_TRUE((*shard)->Close().ok());
    EXPECT_TRUE(embedding::WaitALittle(*future).ok());
  }
  EXPECT_EQ(Replayed(), Texts{"late"});
}

TEST_F(SnippetsTest, StreamedRecordIsWholeAndOneThatEndsEarlyIsNot) {
  constexpr uint64_t kBytes = 3'000'000;
  std::string expected;
  uint64_t bytes_left = 0;
  const auto read = [&](std::span<std::byte> to) -> absl::StatusOr<size_t> {
    const size_t bytes = std::min({to.size(), size_t{70'001}, size_t{bytes_left}});
    for (std::byte& byte : to.first(bytes)) {
      byte = static_cast<std::byte>(--bytes_left % 251);
      expected.push_back(static_cast<char>(byte));
    }
    return bytes;
  };
  {
    auto engine = OpenAsHost();
    ASSERT_NE(engine, nullptr);
    auto shard = engine->AttachShard(ShardId{0});
    ASSERT_TRUE(shard.ok()) << shard.status();
    bytes_left = kBytes / 2;
    const auto early = embedding::AppendStreamed(**shard, kBytes, read);
    EXPECT_TRUE(absl::IsOutOfRange(early.status())) << early.status();
    expected.clear();
    bytes_left = kBytes;
    const auto lsn = embedding::AppendStreamed(**shard, kBytes, read);
    EXPECT_TRUE(lsn.ok()) << lsn.status();
    EXPECT_TRUE((*shard)->Close().ok());
  }
  EXPECT_TRUE(Replayed() == Texts{expected});  // not EXPECT_EQ: it would print them
}

TEST_F(SnippetsTest, TransferIsThereAsAWhole) {
  {
    auto engine = Open(2);
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(embedding::Transfer(*engine, ShardId{0}, "debit", ShardId{1}, "credit").ok());
  }
  EXPECT_EQ(Replayed(), (Texts{"debit", "credit"}));
}

TEST_F(SnippetsTest, CheckpointSavesBeforeTheLogForgets) {
  std::string state;
  const auto save = [&state](Lsn) -> absl::StatusOr<std::string> { return state = "before"; };
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "before").ok());
    EXPECT_TRUE(embedding::CheckpointAndTruncate(*engine, ShardId{0}, save).ok());
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "after").ok());
    const absl::Status refused = embedding::CheckpointAndTruncate(
        *engine, ShardId{0}, [](Lsn) { return absl::InternalError("no place to save it"); });
    EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  }
  auto engine = Open(1);
  ASSERT_NE(engine, nullptr);
  Texts recovered;
  EXPECT_TRUE(embedding::Recover(
                  *engine, ShardId{0},
                  [&recovered](const std::string& where) { recovered.push_back("at " + where); },
                  [&recovered](const RecordView& record) {
                    recovered.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                                           record.payload.size());
                  })
                  .ok());
  EXPECT_EQ(recovered, (Texts{"at before", "after"}));
}

TEST_F(SnippetsTest, FollowerGoesOnAtItsCursorAndTruncationWaitsForIt) {
  Texts seen;
  const auto until = [&seen](const std::string& last) {
    return [&seen, last](const RecordView& record) {
      seen.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                        std::min<size_t>(record.payload.size(), 5));
      return seen.back() == last ? absl::CancelledError("enough") : absl::OkStatus();
    };
  };
  int saves = 0;
  const auto save = [&saves] { return ++saves, absl::OkStatus(); };
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "first").ok());
    std::thread follower([&] {
      const absl::Status end =
          embedding::Follow(*engine, ShardId{0}, "copy", until("enough"), save);
      EXPECT_TRUE(absl::IsFailedPrecondition(end)) << end;  // the engine closed
    });
    const absl::Time give_up_at = absl::Now() + absl::Seconds(60);
    while (engine->cursors(ShardId{0})->empty() && absl::Now() < give_up_at) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_TRUE(engine->Close().ok());
    follower.join();
  }
  EXPECT_EQ(seen, Texts{"first"});
  EXPECT_GE(saves, 1);

  seen.clear();
  auto engine = Open(1);
  ASSERT_NE(engine, nullptr);
  const std::string large(1'000'000, 'z');
  for (int i = 0; i < 12; ++i) {  // more than one segment
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "more:" + large).ok());
  }
  ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "last!").ok());
  ASSERT_TRUE(engine->TruncateBefore(ShardId{0}, engine->durable_lsn(ShardId{0})).ok());
  const absl::Status end = embedding::Follow(*engine, ShardId{0}, "copy", until("last!"), save);
  EXPECT_TRUE(absl::IsCancelled(end)) << end;
  EXPECT_EQ(seen.size(), 13u) << "the cursor kept them";
}

TEST_F(SnippetsTest, MetricsAndStallsAreThere) {
  auto engine = Open(2);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(embedding::RecordsPerBatch(*engine), 0);
  EXPECT_TRUE(embedding::AppendMany(*engine, ShardId{1}, Texts{"two", "three"}).ok());
  EXPECT_NE(embedding::MetricsPage(*engine).find("corewal_records_total{shard=\"1\"}"),
            std::string::npos);
  EXPECT_TRUE(embedding::Stalls(*engine, 2).empty());
  EXPECT_TRUE(engine->Close().ok());
  EXPECT_GE(embedding::RecordsPerBatch(*engine), 1);
}

}  // namespace
}  // namespace corewal
