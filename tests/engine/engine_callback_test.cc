// What a callback on a shard's thread may call: each call that waits works there or says in one
// line that it does not; none hangs, none aborts.
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr ShardId kOwn{0}, kOther{1};
constexpr auto kPatience = std::chrono::seconds(60);

class EngineCallbackTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (!IsSkipped()) Open(options(2));
  }
  // Runs `body` in the callback of an append to kOwn.
  void InCallback(const std::function<void()>& body) {
    std::promise<void> ran;
    ASSERT_OK(engine().Append(kOwn, BytesOf("calls back"), {}, [&](const absl::StatusOr<Lsn>& lsn) {
      EXPECT_OK(lsn.status());
      body();
      ran.set_value();
    }));
    ASSERT_EQ(ran.get_future().wait_for(kPatience), std::future_status::ready);
  }
  static void ExpectRefused(const absl::Status& status, absl::string_view call) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << call << ": " << status;
    EXPECT_TRUE(absl::StrContains(status.message(), call)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
  }
  // All is as before, and the engine closes.
  void ExpectAlive() {
    EXPECT_OK(engine().Barrier(absl::Seconds(60)).status());
    AppendAndWait(0, "alive");
    AppendAndWait(1, "alive");
    EXPECT_OK(engine().Close());
  }
};

TEST_P(EngineCallbackTest, EpochsAdvanceAndBarriersAreRefused) {
  Epoch advanced;
  InCallback([&] {
    const absl::StatusOr<Epoch> closed = engine().AdvanceEpoch();
    EXPECT_OK(closed.status());
    advanced = closed.value_or(Epoch());
    ExpectRefused(engine().Barrier().status(), "Barrier");
  });
  EXPECT_GT(engine().Barrier(absl::Seconds(60)).value_or(Epoch()), advanced);
  EXPECT_GT(engine().durable_epoch(), advanced);
  ExpectAlive();
}

TEST_P(EngineCallbackTest, CheckpointIsRefusedOnEveryShard) {
  InCallback([&] {
    for (const ShardId shard : {kOwn, kOther}) {
      ExpectRefused(engine().Checkpoint(shard, Lsn()), "Checkpoint");
    }
  });
  EXPECT_OK(engine().Checkpoint(kOwn, Lsn()));
  ExpectAlive();
}

TEST_P(EngineCallbackTest, CursorsAreRefusedOnEveryShard) {
  ASSERT_OK(engine().SetCursor(kOwn, "there", Lsn()));
  InCallback([&] {
    for (const ShardId shard : {kOwn, kOther}) {
      ExpectRefused(engine().SetCursor(shard, "not", Lsn()), "SetCursor");
      ExpectRefused(engine().RemoveCursor(shard, "there"), "RemoveCursor");
    }
    EXPECT_EQ(engine().cursors(kOwn).value_or(std::vector<LogCursor>()).size(), 1u);
  });
  EXPECT_OK(engine().RemoveCursor(kOwn, "there"));
  ExpectAlive();
}

TEST_P(EngineCallbackTest, OwnShardIsTruncatedAndOthersAreNot) {
  AppendAndWait(1, "of the other");
  InCallback([&] {
    EXPECT_OK(engine().TruncateBefore(kOwn, engine().durable_lsn(kOwn)));
    ExpectRefused(engine().TruncateBefore(kOther, engine().durable_lsn(kOther)), "TruncateBefore");
  });
  EXPECT_OK(engine().TruncateBefore(kOther, engine().durable_lsn(kOther)));
  ExpectAlive();
}

TEST_P(EngineCallbackTest, CloseIsRefusedAndClosesNothing) {
  InCallback([&] { ExpectRefused(engine().Close(), "Close"); });
  ExpectAlive();
}

TEST_P(EngineCallbackTest, FutureThatIsNotReadyIsNotWaitedFor) {
  AppendFuture own;
  InCallback([&] {
    absl::StatusOr<AppendFuture> sent = engine().Append(kOwn, BytesOf("from a callback"));
    ASSERT_OK(sent.status());
    own = *std::move(sent);
    const std::stop_source never;
    ExpectRefused(own.Wait().status(), "waiting for an append");
    ExpectRefused(own.WaitFor(absl::Hours(1)).status(), "waiting for an append");
    ExpectRefused(own.Wait(never.get_token()).status(), "waiting for an append");
  });
  EXPECT_OK(own.WaitFor(absl::Seconds(60)).status()) << "the append went on";
  InCallback([&] { EXPECT_OK(own.Wait().status()) << "ready: nothing to wait for"; });
  ExpectAlive();
}

TEST_P(EngineCallbackTest, FullMailboxIsNotWaitedFor) {
  const std::string text(1000, 'f');
  const SendOptions patient = {.wait_for_room = absl::InfiniteDuration()};
  const absl::Span<const std::byte> batch[] = {BytesOf(text)};
  const AtomicPart parts[] = {{kOther, BytesOf(text)}, {kOwn, BytesOf(text)}};
  InCallback([&] {
    absl::Status full;
    while (full.ok()) full = engine().Append(kOwn, BytesOf(text), patient).status();
    ExpectRefused(full, "room");
    while (engine().Post(kOwn, BytesOf("x")).ok()) {
    }
    ExpectRefused(engine().Post(kOwn, BytesOf(text), patient), "room");
    ExpectRefused(engine().AppendBatch(kOwn, batch, patient).status(), "room");
    ExpectRefused(engine().AppendAtomically(parts, absl::InfiniteDuration()).status(), "room");
    ExpectRefused(engine().Append(kOwn, BytesOf(text), patient, [](const absl::StatusOr<Lsn>&) {}),
                  "room");
  });
  ExpectAlive();
}

TEST_P(EngineCallbackTest, SubscriptionReadsAndDoesNotWait) {
  AppendAndWait(0, "first");
  InCallback([&] {
    absl::StatusOr<std::unique_ptr<Subscription>> subscription = engine().Subscribe(kOwn);
    ASSERT_OK(subscription.status());
    RecordView record;
    EXPECT_TRUE((*subscription)->Next(&record).value_or(false));
    while ((*subscription)->Next(&record).value_or(false)) {
    }
    EXPECT_FALSE((*subscription)->WaitForMore(absl::InfiniteDuration()));
    EXPECT_OK(engine().Subscribe(kOther).status());
  });
  ExpectAlive();
}

TEST_P(EngineCallbackTest, WhatNeedsNoShardWorks) {
  InCallback([&] {
    EXPECT_EQ(engine().metrics().shards.size(), 2u);
    EXPECT_GT(engine().info(kOwn).appended, Lsn());
    EXPECT_OK(engine().Replay(kOwn).status());
    EXPECT_TRUE(absl::IsNotFound(engine().recovered_checkpoint(kOwn).status()));
  });
  ExpectAlive();
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineCallbackTest,
                         testing::Values(EngineSetting{IoBackend::kPosix, SyncMethod::kDatasync},
                                         EngineSetting{IoBackend::kUring, SyncMethod::kDsync}),
                         EngineSettingName);

// The same where the test's own thread runs the shards.
class HostCallbackTest : public EngineTest {};

TEST_P(HostCallbackTest, ItsOwnShardIsNotRunAndAnotherIs) {
  EngineOptions host = options(2);
  host.threads = EngineOptions::Threads::kHost;
  Open(host);
  absl::StatusOr<Shard*> own = engine().AttachShard(kOwn), other = engine().AttachShard(kOther);
  ASSERT_OK(own.status());
  ASSERT_OK(other.status());
  bool ran = false, ran_inside = false;
  ASSERT_OK((*other)
                ->Append(BytesOf("other"), {},
                         [&](const absl::StatusOr<Lsn>& lsn) {
                           EXPECT_OK(lsn.status());
                           ran_inside = true;
                           EXPECT_TRUE(absl::IsFailedPrecondition((*own)->Poll()))
                               << "it is this thread's outer turn";
                         })
                .status());
  ASSERT_OK((*own)
                ->Append(BytesOf("own"), {},
                         [&](const absl::StatusOr<Lsn>& lsn) {
                           EXPECT_OK(lsn.status());
                           ran = true;
                           EXPECT_TRUE(absl::IsFailedPrecondition((*own)->Poll()));
                           EXPECT_TRUE(absl::IsFailedPrecondition((*own)->Wait(kNever)));
                           EXPECT_TRUE(absl::IsFailedPrecondition((*own)->WaitDurable()));
                           EXPECT_TRUE(absl::IsFailedPrecondition((*own)->Close()));
                           EXPECT_TRUE(absl::IsFailedPrecondition(engine().Close()));
                           EXPECT_TRUE(
                               absl::IsFailedPrecondition(engine().Checkpoint(kOwn, Lsn())));
                           EXPECT_TRUE(
                               absl::IsFailedPrecondition(engine().SetCursor(kOwn, "not", Lsn())));
                           EXPECT_OK((*other)->WaitDurable());
                           EXPECT_TRUE(ran_inside);
                         })
                .status());
  EXPECT_OK((*own)->WaitDurable());
  EXPECT_TRUE(ran);
  EXPECT_OK(engine().Checkpoint(kOwn, Lsn())) << "outside of a callback it drives the shard";
  EXPECT_OK(engine().SetCursor(kOwn, "now", Lsn()));
  EXPECT_OK((*own)->Close());
  EXPECT_OK(engine().Close());
}

INSTANTIATE_TEST_SUITE_P(Backends, HostCallbackTest,
                         testing::Values(EngineSetting{IoBackend::kPosix, SyncMethod::kDatasync},
                                         EngineSetting{IoBackend::kUring, SyncMethod::kDsync}),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
