// The contract of StorageIo (io_backend/CONTRACT.md), on every backend and setting: tokens, the
// queue, Submit, Wait, Poll and notify_fd, what is told about them, and destruction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <set>
#include <string>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoQueueTest : public StorageIoTest {};

// ---- Tokens and the queue

TEST_P(StorageIoQueueTest, OperationsOfDifferentKindsNeverShareAToken) {
  // A write and a sync with the same token once made a log call durable what was not.
  const FileHandle file = Register(CreateFile("a"));
  std::set<uint64_t> seen;
  for (int round = 0; round < 20; ++round) {
    std::set<uint64_t> in_flight;
    const auto remember = [&](const absl::StatusOr<OpToken>& token) {
      ASSERT_OK(token.status());
      EXPECT_NE(token->bits, 0u);
      EXPECT_TRUE(in_flight.insert(token->bits).second) << token->bits;
      EXPECT_TRUE(seen.insert(token->bits).second) << token->bits;
    };
    remember(WriteBlock(file, Filled('x', kBlock)));
    remember(io().Sync({.file = file}));
    remember(io().Preallocate({.file = file, .length = kBlock}));
    remember(io().Read({.file = file, .length = kBlock}, Filled('-', kBlock)));
    for (const Completion& completion : WaitFor(4)) {
      EXPECT_EQ(in_flight.erase(completion.token.bits), 1u);
    }
  }
}

TEST_P(StorageIoQueueTest, CompletionsMatchTheirOperations) {
  const FileHandle file = Register(CreateFile("a"));
  for (int round = 0; round < 20; ++round) {
    const auto write = WriteBlock(file, Filled('x', kBlock));
    const auto sync = io().Sync({.file = file});
    ASSERT_OK(write.status());
    ASSERT_OK(sync.status());
    for (const Completion& completion : WaitFor(2)) {
      EXPECT_EQ(completion.kind == OpKind::kWrite ? *write : *sync, completion.token);
      EXPECT_EQ(completion.kind == OpKind::kWrite, static_cast<bool>(completion.buffer));
    }
  }
  EXPECT_EQ(io().stats().stale_completions, 0u);
}

TEST_P(StorageIoQueueTest, FullQueueIsAnErrorUntilPolled) {
  StorageIoOptions small = options();
  small.queue_depth = 4;
  Recreate(small);
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 4; ++i) StageWrite(file, i * kBlock, 'x', i);
  EXPECT_EQ(io().in_flight(), 4u);
  BufferLease lease = Filled('y', kBlock);
  EXPECT_TRUE(absl::IsResourceExhausted(WriteBlock(file, std::move(lease)).status()));
  EXPECT_TRUE(lease);
  ASSERT_OK(io().Wait(4, kNever));
  EXPECT_TRUE(absl::IsResourceExhausted(io().Sync({.file = file}).status())) << "not yet polled";
  EXPECT_EQ(WaitFor(1).size(), 1u);
  EXPECT_OK(io().Sync({.file = file}).status());
  EXPECT_TRUE(absl::IsResourceExhausted(io().Sync({.file = file}).status()));
  EXPECT_EQ(WaitFor(4).size(), 4u);
}

TEST_P(StorageIoQueueTest, EachAcceptedOperationCompletesOnce) {
  StorageIoOptions small = options();
  small.queue_depth = 6;
  Recreate(small);
  const FileHandle file = Register(CreateFile("a"));
  std::multiset<uint64_t> expected, polled;
  for (uint64_t tag = 0; tag < 400; ++tag) {
    if (tag % 5 == 4) {
      ASSERT_OK(io().Sync({.file = file, .tag = tag}).status());
    } else {
      StageWrite(file, tag % 32 * kBlock, 'x', tag);
    }
    expected.insert(tag);
    if (tag % 3 == 0) {
      ASSERT_OK(io().Submit());
    }
    while (io().in_flight() == io().queue_depth()) {
      ASSERT_OK(io().Wait(2, kNever));
      Completion out[3];
      const size_t n = io().Poll(absl::MakeSpan(out));
      for (size_t i = 0; i < n; ++i) polled.insert(out[i].tag);
    }
  }
  for (const Completion& completion : WaitFor(io().in_flight())) polled.insert(completion.tag);
  EXPECT_EQ(polled, expected);
  EXPECT_EQ(io().stats().submitted, 400u);
  EXPECT_EQ(io().stats().completed, 400u);
  EXPECT_EQ(io().stats().failed, 0u);
}

// ---- Submit, Wait, Poll

TEST_P(StorageIoQueueTest, PollBringsSubmittedOperationsHomeWithoutWait) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'a', 1);
  StageWrite(file, kBlock, 'b', 2);
  ASSERT_OK(io().Submit());
  size_t polled = 0;
  while (polled < 2) {  // bounded by the test's own time limit
    Completion out[2];
    polled += io().Poll(absl::MakeSpan(out));
  }
  EXPECT_EQ(io().in_flight(), 0u);
  EXPECT_EQ(Content("a"), std::string(kBlock, 'a') + std::string(kBlock, 'b'));
}

TEST_P(StorageIoQueueTest, PollSubmitsNothing) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'a', 1);
  Completion out[2];
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  EXPECT_EQ(io().stats().submitted, 0u);
  EXPECT_EQ(FileSize("a"), 0u);
  EXPECT_EQ(WaitForOne().tag, 1u);
}

TEST_P(StorageIoQueueTest, PollTakesNoMoreThanItsArgumentHolds) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 5; ++i) StageWrite(file, i * kBlock, 'x', i);
  ASSERT_OK(io().Wait(5, kNever));
  Completion out[2];
  EXPECT_EQ(io().Poll({}), 0u);
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 2u);
  EXPECT_EQ(io().in_flight(), 3u);
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 2u);
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 1u);
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
}

TEST_P(StorageIoQueueTest, WaitReturnsWhenNothingIsInFlight) {
  EXPECT_OK(io().Wait(1, kNever));
  EXPECT_OK(io().Submit());
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'x', 1);
  StageWrite(file, kBlock, 'x', 2);
  EXPECT_OK(io().Wait(100, kNever)) << "more than there are";
  Completion out[8];
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 2u);
}

TEST_P(StorageIoQueueTest, WaitForNothingIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(io().Wait(0, kNever)));
}

TEST_P(StorageIoQueueTest, WaitPastItsDeadlineStillSubmits) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'x', 1);
  EXPECT_OK(io().Wait(1, 0));
  EXPECT_EQ(io().stats().submitted, 1u);
  EXPECT_EQ(WaitForOne().error, 0);
}

TEST_P(StorageIoQueueTest, WaitWithReadyCompletionsSubmitsTheRest) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'x', 1);
  EXPECT_OK(io().Wait(1, kNever));
  StageWrite(file, kBlock, 'x', 2);
  EXPECT_OK(io().Wait(1, kNever)) << "one is ready already";
  EXPECT_EQ(io().stats().submitted, 2u);
  EXPECT_EQ(WaitFor(2).size(), 2u);
}

TEST_P(StorageIoQueueTest, IdleStorageEntersTheKernelForNothing) {
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, kBlock, 'x');
  const uint64_t enters = io().stats().enters;
  Completion out[4];
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
    EXPECT_OK(io().Submit());
    EXPECT_OK(io().Wait(1, kNever));
  }
  EXPECT_EQ(io().stats().enters, enters);
}

TEST_P(StorageIoQueueTest, OneWaitForManyOperationsIsOneEnter) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 8; ++i) StageWrite(file, i * kBlock, 'x', i);
  ASSERT_OK(io().Wait(8, kNever));
  const uint64_t expected = GetParam().uring() ? 1 : 8;
  EXPECT_EQ(io().stats().enters, expected);
  EXPECT_EQ(WaitFor(8).size(), 8u);
  EXPECT_EQ(io().stats().enters, expected) << "polling what is there needs no system call";
}

TEST_P(StorageIoQueueTest, NotifyFdIsReadableExactlyWhileThereIsSomethingToPoll) {
  const auto fd = io().notify_fd();
  ASSERT_OK(fd.status());
  EXPECT_EQ(*io().notify_fd(), *fd);
  const auto readable = [&](int timeout_ms) {
    pollfd watched = {.fd = *fd, .events = POLLIN, .revents = 0};
    int ready = -1;
    while ((ready = poll(&watched, 1, timeout_ms)) < 0 && errno == EINTR) {
    }
    return ready == 1;
  };
  EXPECT_FALSE(readable(0));
  const FileHandle file = Register(CreateFile("a"));
  Completion out[1];
  for (const uint32_t count : {1u, 3u}) {  // one goes past the ring, three through it
    for (uint32_t i = 0; i < count; ++i) StageWrite(file, i * kBlock, 'x', i);
    EXPECT_FALSE(readable(0)) << "staged only";
    ASSERT_OK(io().Wait(count, kNever));
    for (uint32_t i = 0; i < count; ++i) {
      EXPECT_TRUE(readable(-1)) << i << " of " << count;
      EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 1u);
    }
    // A signal that came after its completion was taken may be left; Poll finds nothing then.
    while (readable(0)) EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  }
}

TEST_P(StorageIoQueueTest, NotifyFdAloneDrivesAnEventLoop) {
  const auto fd = io().notify_fd();
  ASSERT_OK(fd.status());
  const FileHandle file = Register(CreateFile("a"));
  for (uint64_t tag = 0; tag < 30; ++tag) {
    StageWrite(file, tag % 8 * kBlock, 'x', tag);
    ASSERT_OK(io().Sync({.file = file}).status());
    ASSERT_OK(io().Submit());
    for (uint32_t polled = 0; polled < 2;) {
      pollfd watched = {.fd = *fd, .events = POLLIN, .revents = 0};
      ASSERT_TRUE(poll(&watched, 1, -1) == 1 || errno == EINTR);
      Completion out[4];
      polled += io().Poll(absl::MakeSpan(out));
    }
  }
  EXPECT_EQ(io().in_flight(), 0u);
}

// ---- Queries and destruction

TEST_P(StorageIoQueueTest, CapabilitiesSayWhatIsInEffect) {
  const IoCapabilities& caps = io().capabilities();
  const StorageIoSetting& setting = GetParam();
  EXPECT_EQ(caps.backend, setting.sim ? "sim" : setting.uring() ? "uring" : "posix");
  EXPECT_EQ(caps.ring_mode, setting.uring() ? RingModeName(setting.tuning.best) : "");
  EXPECT_EQ(caps.sqpoll, setting.options.sqpoll == Want::kOn);
  EXPECT_EQ(caps.shared_poller, setting.options.shared_poller != nullptr);
  EXPECT_EQ(caps.registered_buffers, setting.options.registered_buffers == Want::kOn);
  EXPECT_EQ(caps.registered_files, setting.options.registered_files == Want::kOn);
  EXPECT_EQ(caps.buffers, setting.options.buffers);
  EXPECT_THAT(caps.fallback_reasons, testing::IsEmpty());
}

TEST_P(StorageIoQueueTest, StatsCountOperationsAndBytes) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 3; ++i) StageWrite(file, i * kBlock, 'x', i);
  WaitFor(3);
  ASSERT_OK(io().Sync({.file = file}).status());
  ASSERT_OK(io().Read({.file = file, .length = 2 * kBlock}, Filled('-', 1)).status());
  WaitFor(2);
  const IoStats& stats = io().stats();
  EXPECT_EQ(stats.submitted, 5u);
  EXPECT_EQ(stats.completed, 5u);
  EXPECT_EQ(stats.failed, 0u);
  EXPECT_EQ(stats.writes, 3u);
  EXPECT_EQ(stats.reads, 1u);
  EXPECT_EQ(stats.syncs, 1u);
  EXPECT_EQ(stats.bytes_written, 3u * kBlock);
  EXPECT_EQ(stats.bytes_read, 2u * kBlock);
  EXPECT_EQ(stats.stale_completions, 0u);
}

TEST_P(StorageIoQueueTest, DestroyingDrainsWhatWasSubmitted) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 8; ++i) StageWrite(file, i * kBlock, 'd', i);
  ASSERT_OK(io().Submit());
  DestroyStorage();
  EXPECT_EQ(Content("a"), std::string(8 * kBlock, 'd'));
}

TEST_P(StorageIoQueueTest, DestroyingDropsWhatWasOnlyStaged) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'd', 1);
  DestroyStorage();
  EXPECT_EQ(FileSize("a"), 0u);
}

TEST_P(StorageIoQueueTest, DestroyingWithUnpolledCompletionsReturnsTheirBuffers) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 4; ++i) StageWrite(file, i * kBlock, 'd', i);
  ASSERT_OK(io().Wait(4, kNever));
  DestroyStorage();
  EXPECT_EQ(FileSize("a"), 4 * kBlock);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoQueueTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
