#include "uring/ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "uring/file_table.h"
#include "uring/fixed_buffers.h"
#include "uring/probe.h"

namespace corewal {
namespace {

constexpr RingMode kModes[] = {RingMode::kSqpoll, RingMode::kDeferTaskrun, RingMode::kCoopTaskrun,
                               RingMode::kPlain};

class RingTest : public testing::TestWithParam<RingMode> {
 protected:
  // Skips where this kernel does not grant the rung.
  void SetUp() override { Make({.entries = 16}); }
  void Make(RingOptions options) {
    options.best = options.worst = GetParam();
    std::vector<std::string> reasons;
    auto ring = Ring::Create(options, &reasons);
    if (!ring.ok()) GTEST_SKIP() << ring.status();
    ring_ = *std::move(ring);
  }
  void QueueNop(uint64_t user_data) {
    io_uring_sqe* const sqe = ring_->Queue();
    io_uring_prep_nop(sqe);
    sqe->user_data = user_data;
  }
  // Waits until `count` completions were reaped; returns their user_data.
  std::multiset<uint64_t> Reap(size_t count) {
    std::multiset<uint64_t> seen;
    const auto take = [&](uint64_t user_data, int32_t) { seen.insert(user_data); };
    ring_->Reap(take);
    while (seen.size() < count) {
      const absl::Status waited =
          ring_->SubmitAndWait(static_cast<uint32_t>(count - seen.size()), kNever);
      EXPECT_TRUE(waited.ok()) << waited;
      ring_->Reap(take);
    }
    return seen;
  }

  std::unique_ptr<Ring> ring_;
};

TEST_P(RingTest, CompletesWhatIsQueued) {
  for (uint64_t i = 0; i < 16; ++i) QueueNop(i);
  EXPECT_EQ(Reap(16).size(), 16u);
  EXPECT_EQ(ring_->queued(), 0u);
}

TEST_P(RingTest, CompletionQueueOverflowLosesNothing) {
  Make({.entries = 16, .cq_entries = 16});
  ASSERT_EQ(ring_->cq_entries(), 16u);
  std::multiset<uint64_t> expected;
  for (uint64_t i = 0; i < 64; ++i) {
    QueueNop(i);
    expected.insert(i);
    if (i % 16 == 15) {
      ASSERT_TRUE(ring_->Submit().ok());
    }
  }
  EXPECT_EQ(Reap(64), expected);
  EXPECT_GT(ring_->cq_overflows(), 0u);
}

TEST_P(RingTest, HeldBackCompletionsAreFlaggedAndFetched) {
  Make({.entries = 16, .cq_entries = 16});
  for (uint64_t i = 0; i < 32; ++i) {
    QueueNop(i);
    if (i % 16 == 15) {
      ASSERT_TRUE(ring_->Submit().ok());
    }
  }
  size_t seen = 0;
  while (seen < 32) {  // bounded by the test's own time limit
    seen += ring_->Reap([](uint64_t, int32_t) {});
    if (ring_->HasHeldBack()) ring_->FetchHeldBack();
  }
  EXPECT_EQ(seen, 32u);
}

TEST_P(RingTest, WaitEndsAtItsDeadlineWithNothing) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  char byte;
  io_uring_sqe* const sqe = ring_->Queue();
  io_uring_prep_read(sqe, ends[0], &byte, 1, 0);
  sqe->user_data = 5;
  const MonotonicNs deadline = Clock::System().Now() + 3'000'000;
  EXPECT_TRUE(ring_->SubmitAndWait(1, deadline).ok());
  EXPECT_GE(Clock::System().Now(), deadline) << "it did wait";
  EXPECT_EQ(ring_->Reap([](uint64_t, int32_t) {}), 0u);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_THAT(Reap(1), testing::ElementsAre(5));
  close(ends[0]);
  close(ends[1]);
}

TEST_P(RingTest, WaitWithoutWaitingIsOneEnterPerBatch) {
  const uint64_t before = ring_->enters();
  for (uint64_t i = 0; i < 16; ++i) QueueNop(i);
  ASSERT_TRUE(ring_->SubmitAndWait(16, kNever).ok());
  EXPECT_EQ(ring_->enters(), before + 1);
  EXPECT_EQ(Reap(16).size(), 16u);
}

TEST_P(RingTest, SleepingPollerIsWoken) {
  Make({.entries = 16, .sqpoll_idle_ms = 1});
  for (uint64_t i = 0; i < 20; ++i) {
    if (GetParam() == RingMode::kSqpoll) {  // until it sleeps; bounded by the test's time limit
      while ((IO_URING_READ_ONCE(*ring_->raw()->sq.kflags) & IORING_SQ_NEED_WAKEUP) == 0) {
        sched_yield();
      }
    }
    QueueNop(i);
    ASSERT_TRUE(ring_->Submit().ok());
    EXPECT_THAT(Reap(1), testing::ElementsAre(i));
  }
}

TEST_P(RingTest, ChildThatDestroysItsCopyLeavesTheParentsRingAlone) {
  QueueNop(1);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ring_.reset();
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_THAT(Reap(1), testing::ElementsAre(1));
}

TEST_P(RingTest, FileSlotNeedsAFileAndForgetsIt) {
  auto table = FileTable::Create(ring_.get(), 4);
  ASSERT_TRUE(table.ok()) << table.status();
  const int event = eventfd(1, EFD_CLOEXEC);
  ASSERT_TRUE((*table)->Install(3, event).ok());
  close(event);  // the slot keeps it
  uint64_t value = 0;
  const auto read_slot = [&] {
    io_uring_sqe* const sqe = ring_->Queue();
    io_uring_prep_read(sqe, 3, &value, sizeof(value), 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    int32_t answer = 0;
    size_t seen = 0;
    while (seen == 0) {
      EXPECT_TRUE(ring_->SubmitAndWait(1, kNever).ok());
      seen += ring_->Reap([&](uint64_t, int32_t result) { answer = result; });
    }
    return answer;
  };
  EXPECT_EQ(read_slot(), 8);
  EXPECT_EQ(value, 1u);
  ASSERT_TRUE((*table)->Clear(3).ok());
  EXPECT_EQ(read_slot(), -EBADF);
  EXPECT_FALSE((*table)->Install(4, event).ok()) << "out of range";
}

// Why FileTable::Clear comes before close.
TEST_P(RingTest, SlotNotClearedReachesTheOldFileAfterItsNumberIsUsedAgain) {
  auto table = FileTable::Create(ring_.get(), 1);
  ASSERT_TRUE(table.ok()) << table.status();
  const auto write_to_slot = [&] {
    const uint64_t one = 1;
    io_uring_sqe* const sqe = ring_->Queue();
    io_uring_prep_write(sqe, 0, &one, sizeof(one), 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = 1;
    Reap(1);
  };
  const auto count = [](int event) {
    uint64_t value = 0;
    return read(event, &value, sizeof(value)) == sizeof(value) ? value : 0;
  };
  const int old_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int old_kept = dup(old_event);
  const int number = old_event;
  ASSERT_TRUE((*table)->Install(0, old_event).ok());
  close(old_event);
  const int new_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT_EQ(new_event, number);
  write_to_slot();
  EXPECT_EQ(count(old_kept), 1u) << "the old file, although its number is another's now";
  EXPECT_EQ(count(new_event), 0u);
  ASSERT_TRUE((*table)->Clear(0).ok());
  ASSERT_TRUE((*table)->Install(0, new_event).ok());
  write_to_slot();
  EXPECT_EQ(count(old_kept), 0u);
  EXPECT_EQ(count(new_event), 1u);
  close(old_kept);
  close(new_event);
}

INSTANTIATE_TEST_SUITE_P(Modes, RingTest, testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(RingModeName(info.param)); });

TEST(RingLadderTest, TakesTheNextRungAndSaysWhy) {
  // More SQEs than a ring can have is EINVAL on every rung: the ladder is walked to its end.
  std::vector<std::string> reasons;
  const auto ring = Ring::Create({.entries = 1u << 20}, &reasons);
  EXPECT_TRUE(absl::IsFailedPrecondition(ring.status()));
  EXPECT_THAT(reasons, testing::ElementsAre("ring mode defer_taskrun needs Linux 6.1",
                                            "ring mode coop_taskrun needs Linux 5.19",
                                            "ring mode plain needs Linux 5.11"));
}

TEST(RingLadderTest, DenialNamesTheRemedy) {
  EXPECT_THAT(RingDenial(EPERM),
              testing::AnyOf(testing::HasSubstr("seccomp"), testing::HasSubstr("sysctl")));
  EXPECT_THAT(RingDenial(ENOSYS), testing::HasSubstr("Linux 5.11"));
  EXPECT_THAT(RingDenial(ENOMEM), testing::HasSubstr("ulimit -l"));
  EXPECT_THAT(RingDenial(EMFILE), testing::HasSubstr("ulimit -n"));
}

TEST(RingProbeTest, AgreesWithWhatRingsDo) {
  const RingProbe probe = ProbeRing();
  EXPECT_FALSE(probe.kernel_release.empty());
  ASSERT_EQ(probe.rungs.size(), 4u);
  bool any = false;
  for (const RingProbe::Rung& rung : probe.rungs) {
    std::vector<std::string> reasons;
    const auto ring = Ring::Create({.best = rung.mode, .worst = rung.mode}, &reasons);
    EXPECT_EQ(ring.ok(), rung.granted) << RingModeName(rung.mode);
    EXPECT_EQ(rung.reason.empty(), rung.granted);
    any |= rung.granted;
  }
  EXPECT_EQ(probe.allowed, any);
  EXPECT_EQ(probe.denial.empty(), any);
  if (!any) return;
  for (const RingProbe::Opcode& opcode : probe.opcodes)
    EXPECT_TRUE(opcode.supported) << opcode.name;
}

TEST(RingProbeTest, EnvironmentForbids) {
  setenv("COREWAL_IO_URING", "off", 1);
  const RingProbe probe = ProbeRing();
  unsetenv("COREWAL_IO_URING");
  EXPECT_FALSE(probe.allowed);
  EXPECT_THAT(probe.denial, testing::HasSubstr("COREWAL_IO_URING=off"));
  EXPECT_EQ(RingForbiddenByEnvironment(), "");
}

}  // namespace
}  // namespace corewal
