// The C++ of README.md and docs/EMBEDDING.md does what these documents say. The headers that this
// includes are made of the documents by snippets.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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

TEST_F(SnippetsTest, CursorOfTheReplicaOutlivesTheTruncation) {
  Lsn place;
  {
    auto engine = OpenAsHost();
    ASSERT_NE(engine, nullptr);
    auto shard = engine->AttachShard(ShardId{0});
    ASSERT_TRUE(shard.ok()) << shard.status();
    const std::string text(1'000'000, 'z');
    for (int i = 0; i < 12; ++i) {  // more than one segment
      auto lsn = (*shard)->Append(std::as_bytes(std::span(text)));
      ASSERT_TRUE(lsn.ok()) << lsn.status();
      ASSERT_TRUE((*shard)->WaitDurable().ok());
      if (i == 0) place = *lsn;
    }
    ASSERT_TRUE(embedding::ReplicaIsAt(**shard, place).ok());
    ASSERT_TRUE((*shard)->writer().TruncateBefore((*shard)->durable_lsn()).ok());
    EXPECT_TRUE((*shard)->Close().ok());
  }
  EXPECT_EQ(Replayed(place).size(), 12U);
}

TEST_F(SnippetsTest, CheckpointSavesBeforeTheLogForgets) {
  Lsn saved;
  {
    auto engine = Open(1);
    ASSERT_NE(engine, nullptr);
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "before").ok());
    EXPECT_TRUE(embedding::Checkpoint(*engine, ShardId{0}, [&saved](Lsn lsn) {
                  saved = lsn;
                  return absl::OkStatus();
                }).ok());
    ASSERT_TRUE(embedding::AppendAndWait(*engine, ShardId{0}, "after").ok());
    const absl::Status refused = embedding::Checkpoint(
        *engine, ShardId{0}, [](Lsn) { return absl::InternalError("no place to save it"); });
    EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  }
  EXPECT_EQ(Replayed(saved), (Texts{"after"}));
}

}  // namespace
}  // namespace corewal
