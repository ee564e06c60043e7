// A kernel that takes nothing for now, that has no room for completions, whose poller has gone to
// sleep: what is transient stays transient, and nothing is lost by it. And under AddressSanitizer,
// that a buffer is not touched before its operation is complete.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

// Rings that submit by a system call, and all rings; buffered, since the device is not the matter.
std::vector<StorageIoSetting> Rings(bool pollers_too) {
  std::vector<StorageIoSetting> rings;
  for (StorageIoSetting setting : AllSettings()) {
    if (!setting.uring() || setting.direct != DirectMode::kOff) continue;
    if (!pollers_too && setting.options.sqpoll == Want::kOn) continue;
    setting.options.lone_operation_by_syscall = false;
    rings.push_back(setting);
  }
  return rings;
}

// ---- io_uring_enter(2) that hands over answers EAGAIN or EBUSY

class StorageIoRefusingKernelTest : public StorageIoTest {
 protected:
  // From now on, in this process: io_uring_enter fails unless it also asks for completions. So
  // Submit is refused, and Wait is not.
  static void RefuseSubmissions(int error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),  // flags, low half
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IORING_ENTER_GETEVENTS, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {.len = 6, .filter = program};
    ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
  }
};

TEST_P(StorageIoRefusingKernelTest, RefusedSubmitIsTransientAndLosesNothing) {
  DestroyStorage();
  for (const int error : {EAGAIN, EBUSY}) {
    RunInChild([this, error] {
      Recreate(options());
      const FileHandle file = Register(CreateFile(std::to_string(error)));
      RefuseSubmissions(error);
      for (uint64_t round = 0; round < 10; ++round) {
        for (uint64_t i = 0; i < 4; ++i) StageWrite(file, i * kBlock, 'x', i);
        EXPECT_TRUE(absl::IsUnavailable(io().Submit()));
        EXPECT_TRUE(absl::IsUnavailable(io().Submit())) << "again, and nothing twice";
        EXPECT_EQ(io().in_flight(), 4u);
        Completion none[4];
        EXPECT_EQ(io().Poll(absl::MakeSpan(none)), 0u);
        std::set<uint64_t> tags;  // Wait is not refused, and hands over what was
        for (const Completion& done : WaitFor(4)) {
          EXPECT_EQ(done.error, 0);
          tags.insert(done.tag);
        }
        EXPECT_EQ(tags, (std::set<uint64_t>{0, 1, 2, 3}));
      }
      EXPECT_EQ(io().stats().submitted, 40u);
      EXPECT_EQ(io().stats().completed, 40u);
      DestroyStorage();
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoRefusingKernelTest, testing::ValuesIn(Rings(false)),
                         SettingName);

// ---- Completions without room

class StorageIoTinyCompletionQueueTest : public StorageIoTest {};

// An operation and the request to cancel it answer apart: twice as many as there is room for.
TEST_P(StorageIoTinyCompletionQueueTest, CompletionsWithoutRoomAreNotLost) {
  constexpr uint32_t kDepth =
      15;  // with the request to cancel 16, the smallest queue that holds it
  DestroyStorage();
  StorageIoOptions options = this->options();
  options.queue_depth = kDepth;
  options.buffers = kDepth;
  UringTuning tuning = GetParam().tuning;
  tuning.cq_entries = 16;
  auto tiny = UringStorageIo::Create(options, tuning);
  ASSERT_OK(tiny.status());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  OpenFile pipe_end(&FileSystem::Host(), ends[0], "pipe", {});
  const auto pipe = (*tiny)->RegisterFile(pipe_end);
  ASSERT_OK(pipe.status());
  for (int round = 0; round < 10; ++round) {
    std::vector<OpToken> tokens;
    for (uint64_t i = 0; i < kDepth; ++i) {
      const auto token =
          (*tiny)->Read({.file = *pipe, .length = 8, .tag = i}, *(*tiny)->AcquireBuffer());
      ASSERT_OK(token.status());
      tokens.push_back(*token);
    }
    ASSERT_OK((*tiny)->Submit());
    for (const OpToken token : tokens) {
      absl::Status asked = (*tiny)->Cancel(token);
      while (absl::IsUnavailable(asked)) asked = (*tiny)->Cancel(token);  // no room: asked again
      ASSERT_OK(asked);
    }
    std::multiset<uint64_t> tags;
    while (tags.size() < kDepth) {
      ASSERT_OK((*tiny)->Wait(kDepth - static_cast<uint32_t>(tags.size()), kNever));
      std::vector<Completion> out(kDepth);
      const size_t count = (*tiny)->Poll(absl::MakeSpan(out));
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(out[i].error, ECANCELED);
        tags.insert(out[i].tag);
      }
    }
    for (uint64_t i = 0; i < kDepth; ++i) EXPECT_EQ(tags.count(i), 1u) << i;
  }
  EXPECT_EQ((*tiny)->in_flight(), 0u);
  if (options.sqpoll != Want::kOn) {  // a poller may be so slow that there always is room
    EXPECT_GT((*tiny)->stats().cq_overflows, 0u) << "there was room after all";
  }
  EXPECT_EQ((*tiny)->stats().stale_completions, 0u);
  close(ends[1]);
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoTinyCompletionQueueTest, testing::ValuesIn(Rings(true)),
                         SettingName);

// ---- Completions that Poll leaves with the kernel, since it had others to hand out

class StorageIoHeldBackTest : public StorageIoTest {};

TEST_P(StorageIoHeldBackTest, NotifyFdStaysReadableForWhatPollDidNotFetch) {
  int first[2], second[2];
  ASSERT_EQ(pipe2(first, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(second, O_CLOEXEC), 0);
  const auto fd = io().notify_fd();
  ASSERT_OK(fd.status());
  for (const int* ends : {first, second}) {
    const FileHandle pipe = Register(OpenFile(&FileSystem::Host(), ends[0], "pipe", {}));
    ASSERT_OK(io().Read({.file = pipe, .length = 8}, Filled('-', 8)).status());
  }
  ASSERT_OK(io().Submit());
  ASSERT_EQ(write(first[1], "12345678", 8), 8);
  ASSERT_OK(io().Wait(1, kNever));                // the first is ready,
  ASSERT_EQ(write(second[1], "12345678", 8), 8);  // the second may be held back
  for (size_t polled = 0; polled < 2;) {
    pollfd watched = {.fd = *fd, .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&watched, 1, 60'000), 1) << "nothing would ever be polled again";
    Completion out[4];
    polled += io().Poll(absl::MakeSpan(out));
  }
  close(first[1]);
  close(second[1]);
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoHeldBackTest, testing::ValuesIn(Rings(true)), SettingName);

// ---- A poller that sleeps

class StorageIoSleepingPollerTest : public StorageIoTest {};

TEST_P(StorageIoSleepingPollerTest, SubmitWakesItAndPollAloneBringsTheAnswer) {
  StorageIoOptions sleepy = options();
  sleepy.sqpoll_idle_ms = 1;
  Recreate(sleepy);
  const FileHandle file = Register(CreateFile("a"));
  uint64_t wakes = 0;
  const MonotonicNs bound = Clock::System().Now() + 60'000'000'000;
  for (uint64_t round = 0; wakes < 3 && Clock::System().Now() < bound; ++round) {
    // Longer than it stays awake, and longer each time: how long it needs is its own affair.
    const MonotonicNs idle =
        Clock::System().Now() + static_cast<MonotonicNs>(round + 2) * 1'000'000;
    while (Clock::System().Now() < idle) sched_yield();
    StageWrite(file, 0, 'x', round);
    const uint64_t before = io().stats().enters;
    ASSERT_OK(io().Submit());
    if (io().stats().enters > before) ++wakes;
    Completion out[1];
    while (io().Poll(absl::MakeSpan(out)) == 0) sched_yield();  // bounded by the test's time limit
    EXPECT_EQ(out[0].error, 0);
    EXPECT_EQ(out[0].tag, round);
  }
  EXPECT_EQ(wakes, 3u) << "it never slept";
}

std::vector<StorageIoSetting> PollersOfTheirOwn() {
  std::vector<StorageIoSetting> pollers;
  for (const StorageIoSetting& setting : Rings(true)) {
    const StorageIoOptions& options = setting.options;
    if (options.sqpoll == Want::kOn && options.shared_poller == nullptr) pollers.push_back(setting);
  }
  return pollers;
}

INSTANTIATE_TEST_SUITE_P(Pollers, StorageIoSleepingPollerTest,
                         testing::ValuesIn(PollersOfTheirOwn()), SettingName);

// ---- A buffer that is touched too early

class StorageIoEarlyTouchTest : public StorageIoTest {
 protected:
  void SetUp() override {
    StorageIoTest::SetUp();
    if (!IsSkipped()) CreateFile("a");
  }
};

#if defined(__SANITIZE_ADDRESS__)
TEST_P(StorageIoEarlyTouchTest, BufferOfAnOperationInFlightIsReportedByTheSanitizer) {
  DestroyStorage();
  for (const bool write : {true, false}) {
    for (const bool submitted : {false, true}) {
      EXPECT_DEATH(
          {
            Recreate(options());  // in the process that dies: a ring is not inherited
            const FileHandle file = Register(Open("a", OpenOptions::Access::kReadWrite));
            BufferLease lease = Filled('x', kBlock);
            std::byte* const kept = lease.data();
            (void)(write ? io().Write({.file = file, .length = kBlock}, std::move(lease))
                         : io().Read({.file = file, .length = kBlock}, std::move(lease)));
            if (submitted) (void)io().Submit();
            kept[17] = std::byte{1};
          },
          "use-after-poison");
    }
  }
}
#endif

TEST_P(StorageIoEarlyTouchTest, BufferMayBeTouchedFromItsCompletionOn) {
  const FileHandle file = Register(Open("a", OpenOptions::Access::kReadWrite));
  BufferLease lease = Filled('x', kBlock);
  std::byte* const kept = lease.data();
  ASSERT_OK(WriteBlock(file, std::move(lease)).status());
  EXPECT_EQ(lease.data(), nullptr);
  const Completion done = WaitForOne();
  EXPECT_EQ(done.buffer.data(), kept);
  kept[17] = std::byte{1};
  EXPECT_EQ(done.buffer.data()[17], std::byte{1});
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoEarlyTouchTest, testing::ValuesIn(AllSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
