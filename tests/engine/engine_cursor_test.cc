// Named cursors and the limit of a log's size, through the engine: what a consumer still needs is
// there after truncation and reopening, and what nobody needs makes room.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr ShardId kShard{0};

class EngineCursorTest : public EngineTest {
 protected:
  // Records over some segments, all durable.
  std::vector<Replayed> AppendOverSegments(size_t records = 60) {
    std::vector<Replayed> appended;
    for (size_t i = 0; i < records; ++i) {
      std::string text = absl::StrCat(i, ":", std::string(20'000, 'c'));
      const Lsn lsn = AppendAndWait(0, text);
      appended.push_back({lsn, std::move(text)});
    }
    return appended;
  }
  std::vector<LogCursor> Cursors() {
    const absl::StatusOr<std::vector<LogCursor>> cursors = engine().cursors(kShard);
    EXPECT_OK(cursors.status());
    return cursors.value_or(std::vector<LogCursor>());
  }
  void ExpectCode(absl::StatusCode code, const absl::Status& status) {
    EXPECT_EQ(status.code(), code) << status;
  }
};

TEST_P(EngineCursorTest, WhatACursorNeedsIsThereAfterTruncationAndReopening) {
  Open(options());
  const std::vector<Replayed> appended = AppendOverSegments();
  const Lsn needed = appended[20].lsn;
  ASSERT_OK(engine().SetCursor(kShard, "replica-b", needed));
  EXPECT_EQ(Cursors(), (std::vector<LogCursor>{{"replica-b", needed}}));
  EXPECT_EQ(engine().info(kShard).cursors, Cursors());
  ASSERT_OK(engine().TruncateBefore(kShard, appended.back().lsn));
  EXPECT_GT(engine().info(kShard).oldest, appended[0].lsn);
  EXPECT_LE(engine().info(kShard).oldest, needed);
  Reopen(options());
  EXPECT_EQ(Cursors(), (std::vector<LogCursor>{{"replica-b", needed}}));
  EXPECT_EQ(Replay(0, needed), std::vector<Replayed>(appended.begin() + 20, appended.end()));
  ASSERT_OK(engine().TruncateBefore(kShard, appended.back().lsn));
  EXPECT_LE(engine().info(kShard).oldest, needed);
  ASSERT_OK(engine().RemoveCursor(kShard, "replica-b"));
  EXPECT_EQ(Cursors(), std::vector<LogCursor>());
  ASSERT_OK(engine().TruncateBefore(kShard, appended.back().lsn));
  EXPECT_GT(engine().info(kShard).oldest, needed);
}

// As a stream processor does: consumes a part, says how far it is, ends; another one goes on.
TEST_P(EngineCursorTest, ConsumerResumesFromItsCursorAfterReopening) {
  Open(options(2));
  const std::vector<Replayed> appended = AppendOverSegments();
  std::vector<Replayed> consumed;
  for (int opening = 0; opening < 3; ++opening) {
    const std::vector<LogCursor> before = Cursors();
    ASSERT_EQ(before.size(), opening == 0 ? 0u : 1u);
    const Lsn resume = opening == 0 ? Lsn() : before[0].lsn;
    auto subscription = engine().Subscribe(kShard, resume);
    ASSERT_OK(subscription.status());
    RecordView record;
    for (size_t i = 0; i < appended.size() / 3; ++i) {
      const absl::StatusOr<bool> got = (*subscription)->Next(&record);
      ASSERT_OK(got.status());
      ASSERT_TRUE(*got);
      consumed.push_back({record.lsn, TextOf(record.payload)});
    }
    ASSERT_OK(engine().SetCursor(kShard, "sums", (*subscription)->position()));
    subscription->reset();
    ASSERT_OK(engine().TruncateBefore(kShard, engine().durable_lsn(kShard)));
    Reopen(options(2));
  }
  EXPECT_EQ(consumed, appended);
}

TEST_P(EngineCursorTest, CursorThatLagsTooFarIsInvalidatedAndSaysSo) {
  EngineOptions limited = options();
  limited.shard.cursor_lag_bytes_max = 2 * limited.shard.segment_bytes;
  Open(limited);
  const std::vector<Replayed> appended = AppendOverSegments();
  ASSERT_OK(engine().SetCursor(kShard, "dead", appended[0].lsn));
  ASSERT_OK(engine().SetCursor(kShard, "near", appended[59].lsn));
  EXPECT_FALSE(Cursors()[0].invalidated) << "only a truncation that it stands in the way of does";
  ASSERT_OK(engine().TruncateBefore(kShard, appended[59].lsn));
  const std::vector<LogCursor> after = {{"dead", appended[0].lsn, true},
                                        {"near", appended[59].lsn}};
  EXPECT_EQ(Cursors(), after);
  EXPECT_NE(engine().metrics().ToPrometheus().find(
                "corewal_cursor_invalidated{shard=\"0\",cursor=\"dead\"} 1"),
            std::string::npos);
  EXPECT_GT(engine().info(kShard).oldest, appended[0].lsn);
  ExpectCode(absl::StatusCode::kOutOfRange, engine().SetCursor(kShard, "dead", appended[0].lsn));
  Reopen(limited);
  EXPECT_EQ(Cursors(), after);
  ASSERT_OK(engine().SetCursor(kShard, "dead", appended[59].lsn));
  EXPECT_FALSE(Cursors()[0].invalidated);
}

TEST_P(EngineCursorTest, RefusalsSayWhyAndChangeNothing) {
  using Code = absl::StatusCode;
  EngineOptions host = options(2);
  host.threads = EngineOptions::Threads::kHost;
  Open(host);
  ExpectCode(Code::kFailedPrecondition, engine().SetCursor(kShard, "a", Lsn()));  // no thread
  ASSERT_OK(engine().AttachShard(kShard).status());
  ASSERT_OK(engine().SetCursor(kShard, "a", Lsn()));
  const std::vector<LogCursor> set = {{"a", Lsn()}};
  ExpectCode(Code::kInvalidArgument, engine().SetCursor(kShard, "", Lsn()));
  ExpectCode(Code::kInvalidArgument, engine().SetCursor(kShard, "with space", Lsn()));
  ExpectCode(Code::kInvalidArgument, engine().SetCursor(kShard, std::string(49, 'a'), Lsn()));
  ExpectCode(Code::kInvalidArgument, engine().SetCursor(ShardId{9}, "a", Lsn()));
  ExpectCode(Code::kFailedPrecondition, engine().SetCursor(kShard, "a", Lsn(1)));  // not durable
  ExpectCode(Code::kNotFound, engine().RemoveCursor(kShard, "b"));
  ExpectCode(Code::kInvalidArgument, engine().cursors(ShardId{9}).status());
  EXPECT_EQ(Cursors(), set);
  EXPECT_EQ(engine().cursors(ShardId{1}).value(), std::vector<LogCursor>()) << "not attached yet";
  ASSERT_OK(engine().Close());
  ExpectCode(Code::kFailedPrecondition, engine().SetCursor(kShard, "b", Lsn()));
  ExpectCode(Code::kFailedPrecondition, engine().RemoveCursor(kShard, "a"));
  EXPECT_EQ(Cursors(), set) << "as the last snapshot had it";
  engine_.reset();
  Open(host);
  EXPECT_EQ(Cursors(), set) << "from the disk: no thread has run the shard yet";
}

TEST_P(EngineCursorTest, HostSetsThemOnTheShardsThreadAndOthersThroughItsPoll) {
  EngineOptions host = options();
  host.threads = EngineOptions::Threads::kHost;
  Open(host);
  const absl::StatusOr<Shard*> shard = engine().AttachShard(kShard);
  ASSERT_OK(shard.status());
  absl::Status in_callback;
  const std::string text = "one";
  ASSERT_OK((*shard)
                ->Append(BytesOf(text), {},
                         [&](const absl::StatusOr<Lsn>& done) {
                           EXPECT_OK(done.status());
                           in_callback = engine().SetCursor(kShard, "no", Lsn());
                         })
                .status());
  ASSERT_OK((*shard)->WaitDurable());
  ExpectCode(absl::StatusCode::kFailedPrecondition, in_callback);
  ASSERT_OK(engine().SetCursor(kShard, "here", engine().durable_lsn(kShard)));
  std::atomic<bool> done{false};
  std::thread other([&] {
    EXPECT_OK(engine().SetCursor(kShard, "there", Lsn()));
    EXPECT_OK(engine().RemoveCursor(kShard, "here"));
    EXPECT_EQ(Cursors(), (std::vector<LogCursor>{{"there", Lsn()}}));
    done = true;
  });
  while (!done) ASSERT_OK((*shard)->Wait(Clock::System().Now() + 1'000'000));
  other.join();
}

TEST_P(EngineCursorTest, FullLogTakesAppendsAgainAfterTruncation) {
  EngineOptions limited = options();
  limited.shard.log_bytes_max = 4 * limited.shard.segment_bytes;
  Open(limited);
  const std::string text(20'000, 'l');
  Lsn last;
  for (int round = 0; round < 3; ++round) {
    absl::Status refused;
    for (int i = 0; i < 200 && refused.ok(); ++i) {
      absl::StatusOr<AppendFuture> future = engine().Append(kShard, BytesOf(text));
      ASSERT_OK(future.status());
      const absl::StatusOr<Lsn> lsn = future->Wait();
      if (lsn.ok()) last = *lsn;
      refused = lsn.status();
    }
    ExpectCode(absl::StatusCode::kResourceExhausted, refused);
    EXPECT_NE(refused.message().find("log_bytes_max"), absl::string_view::npos) << refused;
    EXPECT_LE(engine().info(kShard).log_bytes, limited.shard.log_bytes_max);
    EXPECT_FALSE(engine().info(kShard).stall.ok());
    ASSERT_OK(engine().TruncateBefore(kShard, last));
    // A segment is prepared again by and by.
    const MonotonicNs deadline = Clock::System().Now() + 60'000'000'000;
    absl::Status again = refused;
    while (absl::IsResourceExhausted(again) && Clock::System().Now() < deadline) {
      absl::StatusOr<AppendFuture> future = engine().Append(kShard, BytesOf(text));
      ASSERT_OK(future.status());
      again = future->Wait().status();
    }
    ASSERT_OK(again);
  }
  Close();
  limited.shard.log_bytes_max = limited.shard.segment_bytes;
  const absl::Status too_small = Engine::Open(limited).status();
  ExpectCode(absl::StatusCode::kInvalidArgument, too_small);
  EXPECT_NE(too_small.message().find("log_bytes_max"), absl::string_view::npos) << too_small;
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineCursorTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
