// WakeOn: a Wait that also hears of an eventfd. Where Wait does not sleep on anything else, it is
// refused.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "base/clock.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

constexpr MonotonicNs kLongNs = 60'000'000'000;  // nobody waits for so long, unless not woken

class StorageIoWakeTest : public StorageIoTest {
 protected:
  void SetUp() override {
    StorageIoTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT_GE(event_, 0);
  }
  void TearDown() override {
    StorageIoTest::TearDown();
    if (event_ >= 0) close(event_);
    for (const int end : pipe_) {
      if (end >= 0) close(end);
    }
  }

  // So many reads that a device does not answer are in the kernel.
  void SubmitSilentReads(int count) {
    ASSERT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
    const FileHandle file = Register(OpenFile(&FileSystem::Host(), pipe_[0], "pipe", {}));
    pipe_[0] = -1;
    for (int i = 0; i < count; ++i) {
      ASSERT_OK(io().Read({.file = file, .length = 8}, Filled('-', 8)).status());
    }
    ASSERT_OK(io().Submit());
  }
  void Answer(int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(write(pipe_[1], "12345678", 8), 8);
  }
  void Ring() { ASSERT_EQ(eventfd_write(event_, 1), 0); }
  // Waits for that many completions; none has come, so the eventfd has ended it, and was read.
  void ExpectToBeWoken(uint32_t min_completions) {
    const MonotonicNs deadline = Clock::System().Now() + kLongNs;
    EXPECT_OK(io().Wait(min_completions, deadline));
    EXPECT_LT(Clock::System().Now(), deadline);
    Completion out[1];
    EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
    pollfd watched = {.fd = event_, .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&watched, 1, 0), 0) << "it was not read";
  }

  int event_ = -1;
  int pipe_[2] = {-1, -1};
};

using StorageIoWakeRefusedTest = StorageIoWakeTest;

TEST_P(StorageIoWakeRefusedTest, WhereWaitDoesNotSleepItIsRefused) {
  EXPECT_TRUE(absl::IsUnimplemented(io().WakeOn(event_)));
}

TEST_P(StorageIoWakeTest, WaitEndsWhenTheEventfdIsWrittenByAnotherThread) {
  ASSERT_OK(io().WakeOn(event_));
  SubmitSilentReads(1);
  for (int round = 0; round < 3; ++round) {
    std::thread other([this] { Ring(); });
    ExpectToBeWoken(1);
    other.join();
  }
  EXPECT_EQ(io().in_flight(), 1u);
  Answer(1);
  EXPECT_EQ(WaitForOne().bytes, 8u);
}

TEST_P(StorageIoWakeTest, AWriteThatCameEarlierCountsToo) {
  ASSERT_OK(io().WakeOn(event_));
  SubmitSilentReads(1);
  Ring();
  ExpectToBeWoken(1);
  Answer(1);
  EXPECT_EQ(WaitForOne().error, 0);
}

// The eventfd's own completion is not one of those waited for.
TEST_P(StorageIoWakeTest, AWaitForSeveralEndsToo) {
  ASSERT_OK(io().WakeOn(event_));
  SubmitSilentReads(3);
  for (int round = 0; round < 3; ++round) {
    Ring();
    ExpectToBeWoken(3);
  }
  Answer(3);
  EXPECT_EQ(WaitFor(3).size(), 3u);
}

TEST_P(StorageIoWakeTest, OperationsCompleteWhileNobodyWritesTheEventfd) {
  ASSERT_OK(io().WakeOn(event_));
  const FileHandle file = Register(CreateFile("a"));
  for (uint64_t i = 0; i < 100; ++i) {
    StageWrite(file, 2 * i * kBlock, 'x', 0);
    StageWrite(file, (2 * i + 1) * kBlock, 'y', 1);
    for (const Completion& written : WaitFor(2)) EXPECT_EQ(written.error, 0);
  }
  EXPECT_EQ(io().stats().stale_completions, 0u);
}

TEST_P(StorageIoWakeTest, ForeignThreadIsRefused) {
  std::thread([this] { EXPECT_TRUE(absl::IsFailedPrecondition(io().WakeOn(event_))); }).join();
}

std::vector<StorageIoSetting> Settings(bool rings) {
  std::vector<StorageIoSetting> settings;
  for (StorageIoSetting setting : AllAndSimSettings()) {
    if (setting.uring() != rings || setting.direct != DirectMode::kOff) continue;
    setting.options.lone_operation_by_syscall = false;  // which nothing would interrupt
    settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoWakeTest, testing::ValuesIn(Settings(true)), SettingName);
INSTANTIATE_TEST_SUITE_P(Others, StorageIoWakeRefusedTest, testing::ValuesIn(Settings(false)),
                         SettingName);

}  // namespace
}  // namespace corewal
