// Large records do not stand in a queue before small ones: what is accepted of them, when, and that
// a client's own order stays. The shard moves only when the test lets it, so nothing here rests on
// time but the second after which small records are forgotten, which no test reaches.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "tests/engine/breakable_shards.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr size_t kLarge = 100u << 10;
constexpr size_t kLargeMax = 250u << 10;  // two, and not three

class EngineFairnessTest : public EngineTest {
 protected:
  ~EngineFairnessTest() override { engine_.reset(); }

  EngineOptions fair_options(uint32_t shards = 1) const {
    EngineOptions fair = options(shards);
    fair.shard.segment_bytes = 4u << 20;
    fair.shard.mailbox_bytes = 1u << 20;
    fair.shard.large_bytes_max = kLargeMax;
    return fair;
  }
  void OpenFair() {
    engine_ = shards_.Open(fair_options(2));
    ASSERT_NE(engine_, nullptr);
  }
  absl::StatusOr<AppendFuture> Send(size_t bytes, absl::Duration wait = absl::ZeroDuration()) {
    return engine().Append(ShardId{0}, BytesOf(std::string(bytes, 'x')), {.wait_for_room = wait});
  }
  void SendSmall() {
    absl::StatusOr<AppendFuture> small = Send(100);
    ASSERT_OK(small.status());
    shards_.RunUntil(*small);
  }

  BreakableShards shards_;
};

TEST_P(EngineFairnessTest, LargeOnesAloneFillTheMailbox) {
  OpenFair();
  int accepted = 0;
  while (Send(kLarge).ok()) ++accepted;
  EXPECT_GE(accepted, 8);
}

TEST_P(EngineFairnessTest, FewLargeOnesAreAcceptedWhileSmallOnesCome) {
  OpenFair();
  SendSmall();
  for (int round = 0; round < 5; ++round) {
    std::vector<AppendFuture> sent;
    for (int i = 0; i < 2; ++i) {
      absl::StatusOr<AppendFuture> large = Send(kLarge);
      ASSERT_OK(large.status());
      sent.push_back(*std::move(large));
    }
    const absl::Status refused = Send(kLarge).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_NE(refused.message().find("large"), absl::string_view::npos) << refused;
    // Taken in is not durable: what is on its way to the device is in the way of others too.
    ASSERT_OK(shards_[0].Poll());
    if (!sent.back().ready()) {
      EXPECT_TRUE(absl::IsResourceExhausted(Send(kLarge).status()));
    }
    absl::StatusOr<AppendFuture> small = Send(100);
    ASSERT_OK(small.status()) << "small ones are never refused for large ones";
    shards_.RunUntil(*small);
    EXPECT_TRUE(sent[0].ready() && sent[1].ready());
  }
}

TEST_P(EngineFairnessTest, SmallOnesAreWrittenBeforeTheLargeOneBehindThem) {
  OpenFair();
  SendSmall();
  // So that nothing but their order keeps the large one from being taken in at once.
  for (int turn = 0; turn < 100'000 && engine().info(ShardId{0}).writer.segments_ready < 2;
       ++turn) {
    ASSERT_OK(shards_[0].Wait(Clock::System().Now() + 1'000'000));
  }
  ASSERT_OK(shards_[0].WaitDurable());
  const uint64_t before = engine().info(ShardId{0}).writer.payload_bytes;
  absl::StatusOr<AppendFuture> one = Send(100), two = Send(200), large = Send(kLarge);
  ASSERT_OK(large.status());
  ASSERT_OK(shards_[0].Poll());
  EXPECT_EQ(engine().info(ShardId{0}).writer.payload_bytes, before + 300) << "in one batch";
  shards_.RunUntil(*large);
  EXPECT_EQ(engine().info(ShardId{0}).writer.payload_bytes, before + 300 + kLarge);
}

TEST_P(EngineFairnessTest, OneClientsRecordsKeepTheirOrder) {
  OpenFair();
  SendSmall();
  Lsn last;
  std::vector<AppendFuture> sent;
  for (int i = 0; i < 200; ++i) {
    const size_t bytes = i % 3 == 0 ? kLarge : 100;
    absl::StatusOr<AppendFuture> future = Send(bytes);
    while (absl::IsResourceExhausted(future.status())) {
      shards_.RunUntil(sent.back());
      future = Send(bytes);
    }
    ASSERT_OK(future.status());
    sent.push_back(*std::move(future));
  }
  shards_.RunUntil(sent.back());
  for (AppendFuture& future : sent) {
    ASSERT_TRUE(future.ready());
    const absl::StatusOr<Lsn> lsn = future.Wait();
    ASSERT_OK(lsn.status());
    EXPECT_GT(*lsn, last);
    last = *lsn;
  }
}

TEST_P(EngineFairnessTest, WhoIsAnsweredFindsRoomForTheNext) {
  OpenFair();
  SendSmall();
  int answered = 0;
  // As large as the limit, one at a time, each sent by the callback of the one before.
  std::function<void(const absl::StatusOr<Lsn>&)> next = [&](const absl::StatusOr<Lsn>& lsn) {
    ASSERT_OK(lsn.status());
    if (++answered == 20) return;
    ASSERT_OK(engine().Append(ShardId{0}, BytesOf(std::string(kLargeMax, 'n')), {}, next));
  };
  ASSERT_OK(engine().Append(ShardId{0}, BytesOf(std::string(kLargeMax, 'n')), {}, next));
  for (int turn = 0; turn < 100'000 && answered < 20; ++turn) {
    ASSERT_OK(shards_[0].Wait(Clock::System().Now() + 10'000'000));
  }
  EXPECT_EQ(answered, 20);
}

TEST_P(EngineFairnessTest, BatchesAndAtomicPartsCountAsWhatTheyHold) {
  OpenFair();
  SendSmall();
  const std::string piece(1000, 'p'), part(kLarge, 'a'), home = "home";
  const std::vector<absl::Span<const std::byte>> batch(240, BytesOf(piece));
  const AtomicPart parts[] = {{ShardId{1}, BytesOf(home)}, {ShardId{0}, BytesOf(part)}};
  absl::StatusOr<AppendFuture> first = engine().AppendBatch(ShardId{0}, batch);
  ASSERT_OK(first.status());
  EXPECT_TRUE(absl::IsResourceExhausted(engine().AppendAtomically(parts).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(engine().AppendBatch(ShardId{0}, batch).status()));
  shards_.RunUntil(*first);
  absl::StatusOr<AppendFuture> atomic = engine().AppendAtomically(parts);
  ASSERT_OK(atomic.status());
  EXPECT_TRUE(absl::IsResourceExhausted(engine().AppendBatch(ShardId{0}, batch).status()));
  shards_.RunUntil(*atomic);
  ASSERT_OK(engine().AppendBatch(ShardId{0}, batch).status());
}

TEST_P(EngineFairnessTest, WhoWaitsForRoomGetsItWhenThoseBeforeAreDurable) {
  OpenFair();
  SendSmall();
  std::atomic<int> done{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (int record = 0; record < 10; ++record) {
        absl::StatusOr<AppendFuture> sent = Send(kLarge, absl::Seconds(60));
        ASSERT_OK(sent.status());
        ASSERT_OK(sent->WaitFor(absl::Seconds(60)).status());
      }
      ++done;
    });
  }
  while (done < 4) {
    EXPECT_OK(shards_[0].Wait(Clock::System().Now() + 10'000'000));
  }
  for (std::thread& client : clients) client.join();
}

TEST_P(EngineFairnessTest, CloseEndsTheWaitForRoom) {
  Open(fair_options());  // the engine's own threads
  ASSERT_OK(Send(100)->Wait().status());
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      absl::StatusOr<AppendFuture> sent = Send(kLarge, absl::Seconds(60));
      while (sent.ok()) sent = Send(kLarge, absl::Seconds(60));
      EXPECT_TRUE(absl::IsFailedPrecondition(sent.status())) << sent.status();
    });
  }
  EXPECT_OK(engine().Barrier(absl::Seconds(60)).status());
  EXPECT_OK(engine().Close());
  for (std::thread& client : clients) client.join();
}

TEST_P(EngineFairnessTest, FailedShardAnswersAndKeepsNoRoom) {
  OpenFair();
  SendSmall();
  absl::StatusOr<AppendFuture> first = Send(kLarge), second = Send(kLarge);
  ASSERT_OK(second.status());
  shards_.Break(0);
  shards_.RunUntilBroken(0);
  EXPECT_FALSE(shards_[0].Poll().ok());
  EXPECT_TRUE(first->ready() && second->ready());
  absl::StatusOr<AppendFuture> third = Send(kLarge);
  ASSERT_OK(third.status()) << "accepted, and answered with the failure";
  EXPECT_FALSE(shards_[0].Poll().ok());
  ASSERT_TRUE(third->ready());
  EXPECT_FALSE(third->Wait().ok());
}

const EngineSetting kSettings[] = {{IoBackend::kPosix, SyncMethod::kDatasync},
                                   {IoBackend::kUring, SyncMethod::kDsync}};
INSTANTIATE_TEST_SUITE_P(Backends, EngineFairnessTest, testing::ValuesIn(kSettings),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
