// Following a shard of a live engine: what is handed out, when, from where, and what it costs.
#include "engine/subscription.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/breakable_shards.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

class SubscriptionTest : public EngineTest {
 protected:
  std::unique_ptr<Subscription> Subscribe(uint32_t shard, Lsn from = {}) {
    absl::StatusOr<std::unique_ptr<Subscription>> made = engine().Subscribe(ShardId{shard}, from);
    EXPECT_OK(made.status());
    return made.ok() ? *std::move(made) : nullptr;
  }

  // What is there now: Next until it says that nothing more is durable.
  std::vector<Replayed> TakeAll(Subscription& subscription) {
    std::vector<Replayed> records;
    RecordView record;
    for (;;) {
      const absl::StatusOr<bool> got = subscription.Next(&record);
      EXPECT_OK(got.status());
      if (!got.value_or(false)) return records;
      records.push_back({record.lsn, TextOf(record.payload)});
    }
  }
  std::vector<std::string> TakeTexts(Subscription& subscription) {
    std::vector<std::string> texts;
    for (Replayed& record : TakeAll(subscription)) texts.push_back(std::move(record.text));
    return texts;
  }
  // As TakeTexts, but waits until there are `count`.
  std::vector<std::string> Take(Subscription& subscription, size_t count) {
    std::vector<std::string> texts;
    const absl::Time give_up_at = absl::Now() + kPatience;
    while (texts.size() < count && absl::Now() < give_up_at && !HasFailure()) {
      for (std::string& text : TakeTexts(subscription)) texts.push_back(std::move(text));
      if (texts.size() < count) subscription.WaitForMore(absl::Seconds(1));
    }
    return texts;
  }

  void Post(uint32_t shard, const std::string& text) {
    ASSERT_OK(engine().Post(ShardId{shard}, BytesOf(text), {.wait_for_room = kPatience}));
  }
};

// Several buffers and segments long, now and then; names itself.
std::string RecordText(int i) {
  const size_t bytes = i % 100 == 99 ? 150'000 : i % 10 == 9 ? 9'000 : static_cast<size_t>(i % 300);
  return absl::StrCat(i, ":", std::string(bytes, static_cast<char>('a' + i % 26)));
}

TEST_P(SubscriptionTest, EveryRecordOnceInOrderWhileItIsWrittenOverRolls) {
  constexpr int kRecords = 600;
  Open(options());
  auto subscription = Subscribe(0);
  ASSERT_NE(subscription, nullptr);
  std::thread producer([this] {
    for (int i = 0; i < kRecords; ++i) Post(0, RecordText(i));
  });
  RecordView record;
  int next = 0;
  const absl::Time give_up_at = absl::Now() + kPatience;
  while (next < kRecords && absl::Now() < give_up_at) {
    const absl::StatusOr<bool> got = subscription->Next(&record);
    EXPECT_OK(got.status());
    if (!got.ok()) break;
    if (!*got) {
      subscription->WaitForMore(absl::Seconds(1));
      continue;
    }
    EXPECT_EQ(TextOf(record.payload), RecordText(next));
    EXPECT_LT(record.lsn, engine().durable_lsn(ShardId{0})) << "handed out before it was durable";
    if (HasFailure()) break;
    ++next;
  }
  producer.join();
  EXPECT_EQ(next, kRecords);
  EXPECT_GT(SegmentPaths(0).size(), 4u) << "too little was written to meet a roll";
}

TEST_P(SubscriptionTest, BeginsAtTheFirstRecordNotBelowTheLsn) {
  Open(options());
  std::vector<Replayed> all;
  for (int i = 0; i < 30; ++i) {
    const std::string text = RecordText(i * 11);
    const Lsn lsn = AppendAndWait(0, text);
    all.push_back({lsn, text});
  }
  for (size_t i = 0; i < all.size(); i += 5) {
    const std::vector<Replayed> rest(all.begin() + static_cast<ptrdiff_t>(i), all.end());
    EXPECT_EQ(TakeAll(*Subscribe(0, all[i].lsn)), rest);
    const Lsn inside = i == 0 ? Lsn() : all[i - 1].lsn + 1;
    EXPECT_EQ(TakeAll(*Subscribe(0, inside)), rest);
  }
  const Lsn end = engine().durable_lsn(ShardId{0});
  auto at_the_end = Subscribe(0, end);
  EXPECT_TRUE(TakeAll(*at_the_end).empty());
  AppendAndWait(0, "later");
  EXPECT_EQ(TakeTexts(*at_the_end), std::vector<std::string>{"later"});
  EXPECT_FALSE(engine().Subscribe(ShardId{7}).ok());
}

TEST_P(SubscriptionTest, GoesOnAtItsPositionAlsoInALaterOpening) {
  Open(options());
  std::vector<std::string> expected, found;
  for (int i = 0; i < 120; ++i) {
    expected.push_back(RecordText(i));
    AppendAndWait(0, expected.back());
  }
  Lsn position;
  for (size_t take = 1; found.size() < expected.size(); take += 3) {
    auto subscription = Subscribe(0, position);
    ASSERT_NE(subscription, nullptr);
    RecordView record;
    for (size_t i = 0; i < take && found.size() < expected.size(); ++i) {
      const absl::StatusOr<bool> got = subscription->Next(&record);
      ASSERT_OK(got.status());
      ASSERT_TRUE(*got);
      found.push_back(TextOf(record.payload));
    }
    position = subscription->position();
    subscription.reset();
    if (take % 2 == 0) Reopen(options());
  }
  EXPECT_EQ(found, expected);
  Reopen(options());
  AppendAndWait(0, "of a later opening");
  EXPECT_EQ(TakeTexts(*Subscribe(0, position)), std::vector<std::string>{"of a later opening"});
}

TEST_P(SubscriptionTest, WaitsUntilThereIsMoreOrTheTimeIsOver) {
  Open(options());
  auto subscription = Subscribe(0);
  ASSERT_NE(subscription, nullptr);
  EXPECT_TRUE(TakeAll(*subscription).empty());
  EXPECT_FALSE(subscription->WaitForMore(absl::ZeroDuration()));
  EXPECT_FALSE(subscription->WaitForMore(absl::Milliseconds(20)));
  Post(0, "one");
  EXPECT_TRUE(subscription->WaitForMore(kPatience));
  EXPECT_EQ(Take(*subscription, 1), std::vector<std::string>{"one"});

  std::thread producer([this] { Post(0, "two"); });
  EXPECT_EQ(Take(*subscription, 1), std::vector<std::string>{"two"});
  producer.join();
}

// Bytes of private writable memory that this process has mapped, whoever allocated them.
uint64_t DataBytes() {
  std::ifstream status("/proc/self/status");
  uint64_t kib = 0;
  for (std::string word; status >> word;) {
    if (word == "VmData:") status >> kib;
  }
  return kib << 10;
}

TEST_P(SubscriptionTest, WhoReadsSlowlyHoldsNothingBackAndTakesBoundedMemory) {
  constexpr uint64_t kBytes = 32 << 20;
  constexpr uint64_t kMemoryMax = 12 << 20;
  EngineOptions large = options();
  large.shard.segment_bytes = 4 << 20;
  Open(large);
  AppendAndWait(0, "first");
  auto subscription = Subscribe(0);
  ASSERT_NE(subscription, nullptr);
  RecordView record;
  ASSERT_TRUE(subscription->Next(&record).value_or(false));

  // All of it is durable without another Next.
  const std::string text(30'000, 'x');
  for (uint64_t bytes = 0; bytes < kBytes; bytes += text.size()) Post(0, text);
  AppendAndWait(0, "last");

  const uint64_t before = DataBytes();
  uint64_t most = before, records = 0;
  std::string last;
  for (;;) {
    const absl::StatusOr<bool> got = subscription->Next(&record);
    ASSERT_OK(got.status());
    if (!*got) break;
    if (++records % 100 == 0) most = std::max(most, DataBytes());
    last = TextOf(record.payload.first(std::min<size_t>(record.payload.size(), 10)));
  }
  EXPECT_EQ(last, "last");
  EXPECT_EQ(records, kBytes / text.size() + 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(most - before, kMemoryMax);
#else
  (void)kMemoryMax;
#endif
}

TEST_P(SubscriptionTest, IsToldWhenTruncationOvertakesIt) {
  Open(options());
  auto slow = Subscribe(0);
  ASSERT_NE(slow, nullptr);
  std::vector<Replayed> all;
  RecordView record;
  for (int i = 0; i < 200; ++i) {
    const std::string text = absl::StrCat(i, ":", std::string(9'000, 'x'));
    const Lsn lsn = AppendAndWait(0, text);
    all.push_back({lsn, text});
  }
  ASSERT_TRUE(slow->Next(&record).value_or(false));
  ASSERT_OK(engine().TruncateBefore(ShardId{0}, engine().durable_lsn(ShardId{0})));
  for (int i = 0; i < 200; ++i) {  // what was given up is used again
    const std::string text = absl::StrCat("again ", i, ":", std::string(9'000, 'y'));
    const Lsn lsn = AppendAndWait(0, text);
    all.push_back({lsn, text});
  }

  // What it still hands out has no gap; then it is told, and nothing else comes.
  size_t next = 1;
  absl::StatusOr<bool> got = slow->Next(&record);
  for (; got.ok() && *got; got = slow->Next(&record)) {
    ASSERT_LT(next, all.size());
    ASSERT_EQ(record.lsn, all[next].lsn) << "record " << next;
    ASSERT_EQ(TextOf(record.payload), all[next].text);
    ++next;
  }
  EXPECT_TRUE(absl::IsOutOfRange(got.status())) << got.status();
  EXPECT_TRUE(absl::IsOutOfRange(slow->Next(&record).status())) << "it is final";
  EXPECT_GT(slow->oldest(), slow->position());

  // From where the log begins now there is no gap up to the end.
  const std::vector<Replayed> rest = TakeAll(*Subscribe(0, slow->oldest()));
  ASSERT_FALSE(rest.empty());
  EXPECT_TRUE(std::equal(rest.rbegin(), rest.rend(), all.rbegin()));
  EXPECT_LT(rest.size(), all.size());

  // Who asks for what is gone is told at once; 0 is for whatever is there.
  auto gone = Subscribe(0, all[0].lsn + 1);
  ASSERT_NE(gone, nullptr);
  EXPECT_TRUE(absl::IsOutOfRange(gone->Next(&record).status()));
  EXPECT_EQ(TakeAll(*Subscribe(0)), rest);
}

TEST_P(SubscriptionTest, CorewalsOwnRecordsAreNotHandedOut) {
  Open(options(2));
  std::vector<std::string> expected;
  for (int i = 0; i < 10; ++i) {
    expected.push_back(absl::StrCat("record ", i));
    const Lsn lsn = AppendAndWait(0, expected.back());
    ASSERT_OK(engine().Checkpoint(ShardId{0}, lsn, BytesOf("note")));
    ASSERT_OK(engine().Barrier(kPatience).status());
  }
  auto subscription = Subscribe(0);
  EXPECT_EQ(TakeTexts(*subscription), expected);
  ASSERT_OK(engine().Barrier(kPatience).status());
  EXPECT_TRUE(TakeTexts(*subscription).empty());
  EXPECT_TRUE(TakeTexts(*Subscribe(1)).empty());
  EXPECT_EQ(TakeTexts(*Subscribe(0, subscription->position())), std::vector<std::string>{});
}

TEST_P(SubscriptionTest, AtomicBatchesComeAsTheRecordsThatTheyCarry) {
  Open(options(3));
  std::vector<std::string> expected[3];
  for (int i = 0; i < 50; ++i) {
    const uint32_t home = static_cast<uint32_t>(i % 3), other = static_cast<uint32_t>((i + 1) % 3);
    const std::string debit = absl::StrCat("debit ", i), credit = absl::StrCat("credit ", i);
    const AtomicPart parts[] = {{ShardId{home}, BytesOf(debit), RecordType{5}},
                                {ShardId{other}, BytesOf(credit), RecordType{6}}};
    auto future = engine().AppendAtomically(parts, kPatience);
    ASSERT_OK(future.status());
    ASSERT_OK(future->Wait().status());
    expected[home].push_back(debit);
    expected[other].push_back(credit);
  }
  for (uint32_t shard = 0; shard < 3; ++shard) {
    auto subscription = Subscribe(shard);
    RecordView record;
    for (const std::string& text : expected[shard]) {
      ASSERT_TRUE(subscription->Next(&record).value_or(false)) << text;
      EXPECT_EQ(TextOf(record.payload), text);
      EXPECT_EQ(record.type, text[0] == 'd' ? RecordType{5} : RecordType{6});
    }
    EXPECT_TRUE(TakeTexts(*subscription).empty());
  }
}

TEST_P(SubscriptionTest, EndsBehindTheLastRecordWhenTheEngineIsClosed) {
  constexpr int kRecords = 300;
  Open(options());
  std::atomic<int> taken = 0;
  absl::Status end;
  std::thread consumer([&] {
    auto subscription = Subscribe(0);
    RecordView record;
    const absl::Time give_up_at = absl::Now() + kPatience;
    while (absl::Now() < give_up_at) {
      const absl::StatusOr<bool> got = subscription->Next(&record);
      end = got.status();
      if (!got.ok()) break;
      if (!*got) {
        subscription->WaitForMore(kPatience);
        continue;
      }
      EXPECT_EQ(TextOf(record.payload), RecordText(taken++));
    }
    EXPECT_FALSE(subscription->Next(&record).ok()) << "it is final";
  });
  for (int i = 0; i < kRecords; ++i) Post(0, RecordText(i));
  ASSERT_OK(engine().Close());
  consumer.join();
  EXPECT_EQ(taken.load(), kRecords);
  EXPECT_TRUE(absl::IsFailedPrecondition(end)) << end;
}

// The shards move only when this thread lets them.
class SubscriptionOfHostTest : public SubscriptionTest {
 protected:
  ~SubscriptionOfHostTest() override { engine_.reset(); }
  void OpenAsHost(uint32_t shards) {
    engine_ = shards_.Open(options(shards));
    ASSERT_NE(engine_, nullptr);
  }
  void Run(uint32_t shard) { shards_.Run(shard); }
  void Break(uint32_t shard) { shards_.Break(shard); }

  BreakableShards shards_;
};

TEST_P(SubscriptionOfHostTest, UndecidedBatchHoldsBackWhatComesBehindIt) {
  OpenAsHost(2);
  const std::string home = "home", part = "part";
  const AtomicPart parts[] = {{ShardId{0}, BytesOf(home)}, {ShardId{1}, BytesOf(part)}};
  auto first = Subscribe(0), second = Subscribe(1);
  Post(1, "before");
  Run(1);
  auto future = engine().AppendAtomically(parts);
  ASSERT_OK(future.status());
  Post(1, "behind");
  Run(1);
  EXPECT_EQ(TakeTexts(*second), std::vector<std::string>{"before"}) << "the home is not durable";
  EXPECT_FALSE(second->WaitForMore(absl::Milliseconds(20)));
  EXPECT_FALSE(future->ready());

  Run(0);
  Run(1);
  EXPECT_TRUE(future->ready());
  EXPECT_TRUE(second->WaitForMore(absl::ZeroDuration()));
  EXPECT_EQ(TakeTexts(*second), (std::vector<std::string>{"part", "behind"}));
  EXPECT_EQ(TakeTexts(*first), std::vector<std::string>{"home"});
  ASSERT_OK(engine().Close());
}

TEST_P(SubscriptionOfHostTest, PartOfAnAbortedBatchIsPassedOver) {
  OpenAsHost(2);
  const std::string home = "home", part = "part";
  const AtomicPart parts[] = {{ShardId{0}, BytesOf(home)}, {ShardId{1}, BytesOf(part)}};
  auto subscription = Subscribe(1);
  Post(1, "before");
  auto future = engine().AppendAtomically(parts);
  ASSERT_OK(future.status());
  Post(1, "behind");
  ASSERT_OK(shards_[0].Close());  // before the part is appended: there will be no home
  Run(1);
  ASSERT_TRUE(future->ready());
  EXPECT_FALSE(future->Wait().ok());
  EXPECT_EQ(TakeTexts(*subscription), (std::vector<std::string>{"before", "behind"}));
  subscription.reset();
  Close();
  Open(options(2));
  EXPECT_EQ(TakeTexts(*Subscribe(1)), (std::vector<std::string>{"before", "behind"}));
}

TEST_P(SubscriptionOfHostTest, FailedShardEndsItsOwnSubscriptionAndNoOther) {
  OpenAsHost(2);
  auto first = Subscribe(0), second = Subscribe(1);
  Post(0, "one");
  Post(1, "of the other");
  Run(0);
  Run(1);
  Break(1);
  Post(1, "lost");
  EXPECT_OK(shards_[1].Poll());
  EXPECT_FALSE(shards_[1].WaitDurable().ok());
  RecordView record;
  ASSERT_TRUE(second->Next(&record).value_or(false)) << "durable before the failure";
  EXPECT_EQ(TextOf(record.payload), "of the other");
  const absl::Status end = second->Next(&record).status();
  EXPECT_FALSE(end.ok());
  EXPECT_EQ(end, engine().info(ShardId{1}).failure);
  EXPECT_TRUE(second->WaitForMore(kPatience)) << "there is an end to be told";

  Post(0, "two");
  Run(0);
  EXPECT_EQ(TakeTexts(*first), (std::vector<std::string>{"one", "two"}));
  EXPECT_FALSE(engine().Close().ok());
}

TEST_P(SubscriptionOfHostTest, BatchUndecidedByAFailureEndsTheOthersSubscriptions) {
  OpenAsHost(2);
  const std::string home = "home", part = "part";
  const AtomicPart parts[] = {{ShardId{0}, BytesOf(home)}, {ShardId{1}, BytesOf(part)}};
  auto second = Subscribe(1);
  Post(1, "before");
  Run(1);
  auto future = engine().AppendAtomically(parts);
  ASSERT_OK(future.status());
  Run(1);
  Break(0);
  EXPECT_FALSE(shards_[0].Poll().ok() && shards_[0].WaitDurable().ok());
  Run(1);
  EXPECT_FALSE(future->Wait().ok());
  RecordView record;
  ASSERT_TRUE(second->Next(&record).value_or(false));
  EXPECT_EQ(TextOf(record.payload), "before");
  const absl::Status end = second->Next(&record).status();
  EXPECT_EQ(end, engine().atomic_status()) << "whether it is there, nobody knows before recovery";
  EXPECT_FALSE(end.ok());
  EXPECT_FALSE(engine().Close().ok());
}

// Reading is the same whatever the sync method: two of the four will do.
const EngineSetting kSettings[] = {{IoBackend::kPosix, SyncMethod::kDatasync},
                                   {IoBackend::kUring, SyncMethod::kDsync}};
INSTANTIATE_TEST_SUITE_P(Backends, SubscriptionTest, testing::ValuesIn(kSettings),
                         EngineSettingName);
INSTANTIATE_TEST_SUITE_P(Backends, SubscriptionOfHostTest, testing::ValuesIn(kSettings),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
