#include "engine/mailbox.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace corewal {
namespace {

constexpr uint32_t kBytes = 4096;
constexpr uint32_t kCells = kBytes / 64;
constexpr uint64_t kOutsizeBudget = 16 * kBytes;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

bool PushText(Mailbox& mailbox, const std::string& text) {
  return mailbox.Push({.payload = Bytes(text)});
}

std::string TextOf(const Mailbox::Message& message) {
  return std::string(reinterpret_cast<const char*>(message.payload.data()), message.payload.size());
}

std::optional<std::string> TakeText(Mailbox& mailbox) {
  Mailbox::Message message;
  if (!mailbox.Peek(&message)) return std::nullopt;
  std::string text = TextOf(message);
  mailbox.Pop();
  return text;
}

// Waits for the next message as a shard does.
std::string AwaitText(Mailbox& mailbox) {
  std::optional<std::string> text;
  while (!(text = TakeText(mailbox)).has_value()) mailbox.WaitForMessage(kNever);
  return *text;
}

TEST(MailboxTest, MessagesComeOutAsTheyWentIn) {
  Mailbox mailbox(kBytes);
  EXPECT_EQ(TakeText(mailbox), std::nullopt);
  for (const std::string& text : {std::string("a"), std::string(), std::string(32, 'b'),
                                  std::string(33, 'c'), std::string(1024, 'd')}) {
    EXPECT_TRUE(PushText(mailbox, text));
  }
  EXPECT_EQ(TakeText(mailbox), "a");
  EXPECT_EQ(TakeText(mailbox), "");
  EXPECT_EQ(TakeText(mailbox), std::string(32, 'b'));
  EXPECT_EQ(TakeText(mailbox), std::string(33, 'c'));
  EXPECT_EQ(TakeText(mailbox), std::string(1024, 'd'));
  EXPECT_EQ(TakeText(mailbox), std::nullopt);
}

TEST(MailboxTest, OptionsStateAndEpochTravelWithTheMessage) {
  Mailbox mailbox(kBytes);
  AppendState* state = AppendState::Take(2);
  ASSERT_TRUE(mailbox.Push({.payload = Bytes("x"),
                            .options = {Durability::kWritten, RecordType{7}},
                            .state = state,
                            .epoch = 41}));
  int batch = 0;
  ASSERT_TRUE(mailbox.Push({.kind = Mailbox::Kind::kAtomic,
                            .prefix = Bytes("prefix "),
                            .payload = Bytes("payload"),
                            .options = {.type = RecordType::kAtomicPart},
                            .context = &batch,
                            .index = 3,
                            .epoch = 42}));
  Mailbox::Message message;
  ASSERT_TRUE(mailbox.Peek(&message));
  EXPECT_EQ(message.kind, Mailbox::Kind::kRecord);
  EXPECT_EQ(message.options.durability, Durability::kWritten);
  EXPECT_EQ(message.options.type, RecordType{7});
  EXPECT_EQ(message.state, state);
  EXPECT_EQ(message.context, nullptr);
  EXPECT_EQ(message.epoch, 41u);
  mailbox.Pop();
  ASSERT_TRUE(mailbox.Peek(&message));
  EXPECT_EQ(message.kind, Mailbox::Kind::kAtomic);
  EXPECT_EQ(message.state, nullptr);
  EXPECT_EQ(message.context, &batch);
  EXPECT_EQ(message.index, 3u);
  EXPECT_EQ(message.epoch, 42u);
  EXPECT_EQ(message.options.type, RecordType::kAtomicPart);
  EXPECT_EQ(
      std::string(reinterpret_cast<const char*>(message.payload.data()), message.payload.size()),
      "prefix payload");
  mailbox.Pop();
  state->Complete(Lsn(1));
  state->Release();
}

TEST(MailboxTest, RecordsOfABatchComeBackOneByOne) {
  Mailbox mailbox(kBytes);
  for (const size_t longest : {10u, 5000u}) {  // in the ring, and in memory of its own
    const std::vector<std::string> texts = {"a", "", std::string(longest, 'b'), "c"};
    std::vector<absl::Span<const std::byte>> records;
    for (const std::string& text : texts) records.push_back(Bytes(text));
    ASSERT_TRUE(mailbox.Push({.kind = Mailbox::Kind::kBatch, .records = records}));
    Mailbox::Message message;
    ASSERT_TRUE(mailbox.Peek(&message));
    absl::Span<const std::byte> rest = message.payload;
    for (const std::string& text : texts) {
      ASSERT_FALSE(rest.empty());
      const absl::Span<const std::byte> record = Mailbox::NextOfBatch(&rest);
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(record.data()), record.size()), text);
    }
    EXPECT_TRUE(rest.empty());
    mailbox.Pop();
  }
}

TEST(MailboxTest, PositionsTellWhatHasBeenPopped) {
  Mailbox mailbox(kBytes);
  EXPECT_TRUE(mailbox.PoppedBefore(mailbox.end()));
  ASSERT_TRUE(PushText(mailbox, "x"));
  const uint64_t behind_x = mailbox.end();
  ASSERT_TRUE(PushText(mailbox, "y"));
  EXPECT_EQ(mailbox.used_bytes(), 128u);
  EXPECT_FALSE(mailbox.PoppedBefore(behind_x));
  TakeText(mailbox);
  EXPECT_TRUE(mailbox.PoppedBefore(behind_x));
  EXPECT_FALSE(mailbox.PoppedBefore(mailbox.end()));
  mailbox.Shut();
  TakeText(mailbox);
  EXPECT_TRUE(mailbox.PoppedBefore(mailbox.end()));
  EXPECT_EQ(mailbox.used_bytes(), 0u);
}

TEST(MailboxTest, WaitForRoomEndsWithRoomShutOrDeadline) {
  Mailbox mailbox(kBytes);
  const uint32_t seen = mailbox.room_seen();
  EXPECT_FALSE(mailbox.WaitForRoom(seen, Clock::System().Now() + 1'000'000));
  mailbox.TellRoom();
  EXPECT_TRUE(mailbox.WaitForRoom(seen, kNever)) << "told between the Push and the wait";
  mailbox.Shut();
  EXPECT_TRUE(mailbox.WaitForRoom(mailbox.room_seen(), kNever));
}

TEST(MailboxTest, PeekedMessageStaysUntilPop) {
  Mailbox mailbox(kBytes);
  ASSERT_TRUE(PushText(mailbox, "first"));
  ASSERT_TRUE(PushText(mailbox, "second"));
  Mailbox::Message message;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(mailbox.Peek(&message));
    EXPECT_EQ(TextOf(message), "first");
  }
  mailbox.Pop();
  EXPECT_EQ(TakeText(mailbox), "second");
}

TEST(MailboxTest, FullMailboxRefusesAndKeepsWhatItHas) {
  Mailbox mailbox(kBytes);
  for (uint32_t i = 0; i < kCells; ++i) ASSERT_TRUE(PushText(mailbox, absl::StrCat(i)));
  EXPECT_FALSE(PushText(mailbox, "one too many"));
  EXPECT_FALSE(PushText(mailbox, std::string(2 * kBytes, 'x')))
      << "an outsize one needs a cell too";
  EXPECT_EQ(TakeText(mailbox), "0");
  EXPECT_TRUE(PushText(mailbox, "again"));
  EXPECT_FALSE(PushText(mailbox, "one too many"));
  for (uint32_t i = 1; i < kCells; ++i) EXPECT_EQ(TakeText(mailbox), absl::StrCat(i));
  EXPECT_EQ(TakeText(mailbox), "again");
}

TEST(MailboxTest, EmptyMailboxTakesAnyMessageWhereverItStands) {
  Mailbox mailbox(kBytes);
  for (uint32_t start = 0; start < kCells; ++start) {
    for (const size_t bytes : {0, 32, 33, 700, 1024, 1025, 5000}) {
      const std::string text(bytes, static_cast<char>('a' + start % 26));
      ASSERT_TRUE(PushText(mailbox, text)) << "at cell " << start << ", " << bytes << " bytes";
      ASSERT_EQ(TakeText(mailbox), text);
    }
    ASSERT_TRUE(PushText(mailbox, "step"));
    ASSERT_EQ(TakeText(mailbox), "step");
  }
}

TEST(MailboxTest, RandomSizesWrapAroundWithoutLossOrMixUp) {
  std::mt19937 random(1);
  Mailbox mailbox(kBytes);
  std::deque<std::string> held;
  uint64_t refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 2 == 0) {
      const size_t limit = random() % 8 == 0 ? 1500 : 200;
      const std::string text(random() % limit, static_cast<char>('a' + i % 26));
      if (PushText(mailbox, text)) {
        held.push_back(text);
      } else {
        ++refused;
        ASSERT_FALSE(held.empty());
      }
    } else if (!held.empty()) {
      ASSERT_EQ(TakeText(mailbox), held.front());
      held.pop_front();
    } else {
      ASSERT_EQ(TakeText(mailbox), std::nullopt);
    }
  }
  EXPECT_GT(refused, 0u);
}

TEST(MailboxTest, OutsizePayloadsAreBoundedTogetherButASingleOnePasses) {
  Mailbox mailbox(kBytes);
  const std::string half(kOutsizeBudget / 2, 'h');
  EXPECT_TRUE(PushText(mailbox, half));
  EXPECT_TRUE(PushText(mailbox, half));
  EXPECT_FALSE(PushText(mailbox, half));
  EXPECT_TRUE(PushText(mailbox, "small ones still fit"));
  EXPECT_EQ(TakeText(mailbox), half);
  EXPECT_TRUE(PushText(mailbox, half)) << "a freed one makes room";
  EXPECT_EQ(TakeText(mailbox), half);
  EXPECT_EQ(TakeText(mailbox), "small ones still fit");
  EXPECT_EQ(TakeText(mailbox), half);
  const std::string huge(3 * kOutsizeBudget, 'H');
  EXPECT_TRUE(PushText(mailbox, huge));
  EXPECT_FALSE(PushText(mailbox, half));
  EXPECT_EQ(TakeText(mailbox), huge);
  EXPECT_TRUE(PushText(mailbox, half));
}

TEST(MailboxTest, ShutMailboxTakesNothingButHandsOutWhatItHas) {
  Mailbox mailbox(kBytes);
  ASSERT_TRUE(PushText(mailbox, "before"));
  mailbox.Shut();
  EXPECT_TRUE(mailbox.shut());
  EXPECT_FALSE(PushText(mailbox, "after"));
  EXPECT_EQ(TakeText(mailbox), "before");
  EXPECT_EQ(TakeText(mailbox), std::nullopt);
}

TEST(MailboxTest, AppendsLeftBehindAreAnswered) {
  auto* small = AppendState::Take(2);
  auto* outsize = AppendState::Take(2);
  {
    Mailbox mailbox(kBytes);
    ASSERT_TRUE(mailbox.Push({.payload = Bytes("x"), .state = small}));
    ASSERT_TRUE(mailbox.Push({.payload = Bytes(std::string(5000, 'x')), .state = outsize}));
    EXPECT_FALSE(small->ready());
  }
  for (AppendState* state : {small, outsize}) {
    ASSERT_TRUE(state->ready());
    EXPECT_TRUE(absl::IsCancelled(state->result().status())) << state->result().status();
    state->Release();
  }
}

TEST(MailboxTest, ArmTellsWhetherAMessageIsThere) {
  Mailbox mailbox(kBytes);
  EXPECT_TRUE(mailbox.Arm(Mailbox::Bed::kEventFd));
  ASSERT_TRUE(PushText(mailbox, "x"));
  EXPECT_FALSE(mailbox.Arm(Mailbox::Bed::kEventFd));
  EXPECT_TRUE(mailbox.Arm(Mailbox::Bed::kEventFd, /*blocked=*/true));
  EXPECT_EQ(TakeText(mailbox), "x");
  EXPECT_TRUE(mailbox.Arm(Mailbox::Bed::kEventFd));
}

TEST(MailboxTest, EventFdIsWrittenOnceForEachTimeItWasArmed) {
  Mailbox mailbox(kBytes);
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT_GE(fd, 0);
  mailbox.set_event_fd(fd);
  eventfd_t written = 0;
  ASSERT_TRUE(PushText(mailbox, "not armed"));
  EXPECT_EQ(eventfd_read(fd, &written), -1);
  EXPECT_EQ(TakeText(mailbox), "not armed");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(mailbox.Arm(Mailbox::Bed::kEventFd));
    ASSERT_TRUE(PushText(mailbox, "wakes"));
    ASSERT_TRUE(PushText(mailbox, "awake already"));
    ASSERT_EQ(eventfd_read(fd, &written), 0);
    EXPECT_EQ(written, 1u);
    EXPECT_EQ(TakeText(mailbox), "wakes");
    EXPECT_EQ(TakeText(mailbox), "awake already");
  }
  close(fd);
}

TEST(MailboxTest, WaitEndsAtItsDeadlineOrWithShut) {
  Mailbox mailbox(kBytes);
  mailbox.WaitForMessage(0);  // long past
  mailbox.WaitForMessage(Clock::System().Now() + 1'000'000);
  mailbox.Shut();
  mailbox.WaitForMessage(kNever);
  EXPECT_EQ(TakeText(mailbox), std::nullopt);
}

// A lost wake-up would hang it.
TEST(MailboxThreadsTest, NoWakeUpIsLostBetweenTwoThatWaitForEachOther) {
  constexpr int kRounds = 20'000;
  Mailbox there(kBytes), back(kBytes);
  std::thread echo([&] {
    for (int i = 0; i < kRounds; ++i) EXPECT_TRUE(PushText(back, AwaitText(there)));
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(PushText(there, absl::StrCat(i)));
    ASSERT_EQ(AwaitText(back), absl::StrCat(i));
  }
  echo.join();
}

// Two producers fill a small mailbox and wait for room; one wake-up that is lost hangs the test.
TEST(MailboxThreadsTest, ProducersThatWaitForRoomAllGetThrough) {
  constexpr int kEach = 20'000;
  Mailbox mailbox(kBytes);
  const auto produce = [&] {
    const std::string text(900, 'p');
    for (int i = 0; i < kEach; ++i) {
      for (;;) {
        const uint32_t seen = mailbox.room_seen();
        if (PushText(mailbox, text)) break;
        EXPECT_TRUE(mailbox.WaitForRoom(seen, kNever));
      }
    }
  };
  std::thread first(produce), second(produce);
  for (int taken = 0; taken < 2 * kEach;) {
    mailbox.WaitForMessage(kNever);
    while (TakeText(mailbox).has_value()) ++taken;
    mailbox.TellRoom();
  }
  first.join();
  second.join();
}

TEST(MailboxThreadsTest, InterruptEndsAWait) {
  Mailbox mailbox(kBytes);
  std::atomic<bool> stop{false}, stopped{false};
  std::thread waiter([&] {
    while (!stop.load()) mailbox.WaitForMessage(kNever);
    stopped.store(true);
  });
  stop.store(true);
  // The waiter may have looked at `stop` before and not be asleep yet: hence again and again.
  while (!stopped.load()) mailbox.Interrupt();
  waiter.join();
}

TEST(MailboxThreadsTest, ManyProducersKeepTheirOwnOrderAndNothingIsLost) {
  constexpr uint32_t kProducers = 4;
  constexpr uint32_t kMessages = 5'000;
  Mailbox mailbox(kBytes);
  std::vector<std::thread> producers;
  for (uint32_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&mailbox, producer] {
      std::mt19937 random(producer);
      for (uint32_t i = 0; i < kMessages; ++i) {
        const size_t filling = random() % (random() % 50 == 0 ? 3000 : 100);
        const std::string text = absl::StrCat(
            producer, " ", i, " ", std::string(filling, static_cast<char>('a' + producer)));
        while (!PushText(mailbox, text)) std::this_thread::yield();
      }
    });
  }
  std::vector<uint32_t> next(kProducers, 0);
  for (uint32_t taken = 0; taken < kProducers * kMessages; ++taken) {
    const std::string text = AwaitText(mailbox);
    const uint32_t producer = static_cast<uint32_t>(text[0] - '0');
    ASSERT_LT(producer, kProducers);
    const std::string begin = absl::StrCat(producer, " ", next[producer]++, " ");
    ASSERT_EQ(text.substr(0, begin.size()), begin);
    ASSERT_EQ(text.find_first_not_of(static_cast<char>('a' + producer), begin.size()),
              std::string::npos);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(TakeText(mailbox), std::nullopt);
}

// Each producer has at most one message in the mailbox, so it never holds more than one a thread.
TEST(MailboxThreadsTest, MailboxThatIsNotFullNeverRefuses) {
  constexpr uint32_t kProducers = 4;
  constexpr uint32_t kMessages = 50'000;
  Mailbox mailbox(kBytes);
  std::atomic<uint32_t> taken[kProducers] = {};
  std::vector<std::thread> producers;
  for (uint32_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      const std::string text = absl::StrCat(producer);
      for (uint32_t i = 0; i < kMessages; ++i) {
        while (taken[producer].load() != i) std::this_thread::yield();
        if (PushText(mailbox, text)) continue;
        ADD_FAILURE() << "refused message " << i << " of producer " << producer;
        while (!PushText(mailbox, text)) std::this_thread::yield();
      }
    });
  }
  for (uint32_t i = 0; i < kProducers * kMessages; ++i) {
    const std::string text = AwaitText(mailbox);
    ++taken[static_cast<size_t>(text[0] - '0')];
  }
  for (std::thread& producer : producers) producer.join();
}

}  // namespace
}  // namespace corewal
