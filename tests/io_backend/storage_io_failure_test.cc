// What the contract of StorageIo promises when something fails: limits, forks, foreign threads,
// signals, a device that never answers. A full disk is in storage_io_full_disk_test.cc.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoFailureTest : public StorageIoTest {
 protected:
  absl::Status StageLength(FileHandle file, uint64_t offset, uint32_t length) {
    const WriteOp op = {.file = file, .offset = FileOffset(offset), .length = length};
    return io().Write(op, Filled('x', length)).status();
  }
};

void LimitFileSize(uint64_t bytes) {
  const rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// ---- Writes that the kernel shortens

TEST_P(StorageIoFailureTest, WriteShortenedByTheFileSizeLimitIsAnErrorNotASuccess) {
  DestroyStorage();
  RunInChild([this] {
    LimitFileSize(2 * kBlock);
    Recreate(options());
    const FileHandle file = Register(CreateFile("a"));
    for (const bool submitted : {false, true}) {
      // The first two blocks fit, the last two do not.
      ASSERT_OK(StageLength(file, 0, 4 * kBlock));
      if (submitted) {
        ASSERT_OK(io().Submit());
      }
      const Completion completion = WaitForOne();
      EXPECT_EQ(completion.error, EFBIG);
      EXPECT_EQ(completion.bytes, 2 * kBlock) << "what did get written is told";
    }
    EXPECT_EQ(io().stats().failed, 2u);
    EXPECT_EQ(io().stats().short_transfers, 2u);
    // Nothing at all fits here.
    ASSERT_OK(StageLength(file, 2 * kBlock, kBlock));
    EXPECT_EQ(WaitForOne().error, EFBIG);
    ASSERT_OK(io().Preallocate({.file = file, .length = 8 * kBlock}).status());
    EXPECT_EQ(WaitForOne().error, EFBIG);
    // The storage works on, within the limit, and dies of no signal when it gives the mask back.
    ASSERT_OK(StageLength(file, kBlock, kBlock));
    EXPECT_EQ(WaitForOne().error, 0);
    DestroyStorage();
  });
}

TEST_P(StorageIoFailureTest, WriteShortenedInsideABlockIsAnErrorNotASuccess) {
  DestroyStorage();
  RunInChild([this] {
    LimitFileSize(kBlock + 1000);
    Recreate(options());
    const FileHandle file = Register(CreateFile("a"));
    for (const bool submitted : {false, true}) {
      ASSERT_OK(StageLength(file, 0, 2 * kBlock));
      if (submitted) {
        ASSERT_OK(io().Submit());
      }
      EXPECT_NE(WaitForOne().error, 0);
    }
  });
}

TEST_P(StorageIoFailureTest, FileSizeSignalOfTheHostIsLeftAlone) {
  DestroyStorage();
  RunInChild([this] {
    const auto blocked = [] {
      sigset_t mask;
      pthread_sigmask(SIG_BLOCK, nullptr, &mask);
      return sigismember(&mask, SIGXFSZ) == 1;
    };
    EXPECT_FALSE(blocked());
    Recreate(options());
    EXPECT_TRUE(blocked());
    auto second = Create(options());
    DestroyStorage();
    EXPECT_TRUE(blocked()) << "another storage of this thread needs it";
    second->reset();
    EXPECT_FALSE(blocked());
  });
}

// ---- Forks

TEST_P(StorageIoFailureTest, ForkedChildIsRefusedAndTheParentGoesOn) {
  const FileHandle file = Register(CreateFile("a"));
  BufferLease lease = Filled('p', kBlock);
  OpenFile other = CreateFile("b");
  ASSERT_OK(StageLength(file, 0, kBlock));
  ASSERT_OK(StageLength(file, kBlock, kBlock));
  ASSERT_OK(io().Submit());
  ASSERT_OK(StageLength(file, 2 * kBlock, kBlock));
  RunInChild([&] {
    const auto refused = [](const absl::Status& status) {
      return absl::IsFailedPrecondition(status) &&
             status.message().find("forked") != std::string::npos;
    };
    EXPECT_TRUE(refused(io().RegisterFile(other).status()));
    EXPECT_TRUE(refused(io().UnregisterFile(file)));
    EXPECT_TRUE(refused(io().AcquireBuffer().status()));
    EXPECT_TRUE(refused(io().Write({.file = file, .length = kBlock}, std::move(lease)).status()));
    EXPECT_TRUE(refused(io().Read({.file = file, .length = kBlock}, std::move(lease)).status()));
    EXPECT_TRUE(refused(io().Sync({.file = file}).status()));
    EXPECT_TRUE(refused(io().ReadAny({.file = file, .length = kBlock}).status()));
    EXPECT_TRUE(refused(io().WriteGather({.file = file}, {}).status()));
    EXPECT_TRUE(refused(io().Preallocate({.file = file, .length = kBlock}).status()));
    EXPECT_TRUE(refused(io().Submit()));
    EXPECT_TRUE(refused(io().Wait(1, kNever)));
    EXPECT_TRUE(refused(io().notify_fd().status()));
    Completion out[4];
    EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
    lease.Return();
    DestroyStorage();
    // The child may have a storage of its own.
    Recreate(options());
    WriteAndWait(Register(CreateFile("child")), 0, kBlock, 'c');
  });
  EXPECT_TRUE(AllBytesAre(lease, 'p', kBlock));
  for (const Completion& completion : WaitFor(3)) EXPECT_EQ(completion.error, 0);
  EXPECT_EQ(FileSize("a"), 3 * kBlock);
  WriteAndWait(file, 0, kBlock, 'q');
  EXPECT_EQ(FileSize("child"), kBlock);
}

// ---- Threads

TEST_P(StorageIoFailureTest, ForeignThreadIsRefused) {
  const FileHandle file = Register(CreateFile("a"));
  BufferLease lease = Filled('x', kBlock);
  std::thread([&] {
    EXPECT_TRUE(absl::IsFailedPrecondition(io().AcquireBuffer().status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(
        io().Write({.file = file, .length = kBlock}, std::move(lease)).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(io().Sync({.file = file}).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(io().Submit()));
    EXPECT_TRUE(absl::IsFailedPrecondition(io().Wait(1, kNever)));
    EXPECT_TRUE(absl::IsFailedPrecondition(io().UnregisterFile(file)));
    Completion out[1];
    EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  }).join();
  EXPECT_TRUE(lease);
  EXPECT_EQ(io().in_flight(), 0u);
  WriteAndWait(file, 0, kBlock, 'x');
}

TEST_P(StorageIoFailureTest, StorageThatIsIdleMayBeDestroyedByAnotherThread) {
  WriteAndWait(Register(CreateFile("a")), 0, kBlock, 'x');
  std::thread([&] { DestroyStorage(); }).join();
}

TEST_P(StorageIoFailureTest, EachThreadMayHaveItsOwnStorage) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      auto own = Create(options());
      ASSERT_OK(own.status());
      OpenFile opened = CreateFile(std::string(1, static_cast<char>('a' + i)));
      const auto file = (*own)->RegisterFile(opened);
      ASSERT_OK(file.status());
      for (uint64_t round = 0; round < 20; ++round) {
        auto lease = (*own)->AcquireBuffer();
        ASSERT_OK(lease.status());
        const WriteOp op = {.file = *file, .offset = FileOffset(round * kBlock), .length = kBlock};
        ASSERT_OK((*own)->Write(op, *std::move(lease)).status());
        ASSERT_OK((*own)->Sync({.file = *file}).status());
        for (size_t polled = 0; polled < 2;) {
          ASSERT_OK((*own)->Wait(1, kNever));
          Completion out[2];
          const size_t n = (*own)->Poll(absl::MakeSpan(out));
          for (size_t k = 0; k < n; ++k) EXPECT_EQ(out[k].error, 0);
          polled += n;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(FileSize("d"), 20 * kBlock);
}

// ---- Signals

void CountSignal(int) {}

TEST_P(StorageIoFailureTest, SignalsEvery100MicrosecondsChangeNothing) {
  struct sigaction action = {}, before = {};
  action.sa_handler = CountSignal;  // without SA_RESTART: system calls end with EINTR
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval storm = {.it_interval = {0, 100}, .it_value = {0, 100}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &storm, nullptr), 0);
  const FileHandle file = Register(CreateFile("a"));
  std::set<uint64_t> tags;
  for (uint64_t round = 0; round < 60; ++round) {
    ASSERT_OK(StageLength(file, round * 4 * kBlock, 4 * kBlock));
    ASSERT_OK(io().Write({.file = file,
                          .offset = FileOffset((300 + round) * kBlock),
                          .length = kBlock,
                          .mode = WriteMode::kDsync,
                          .tag = round},
                         Filled('y', kBlock))
                  .status());
    ASSERT_OK(io().Sync({.file = file}).status());
    for (const Completion& completion : WaitFor(3)) EXPECT_EQ(completion.error, 0);
  }
  const itimerval calm = {};
  setitimer(ITIMER_REAL, &calm, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_EQ(Content("a").substr(0, 240 * kBlock), std::string(240 * kBlock, 'x'));
  EXPECT_EQ(io().stats().completed, 180u);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoFailureTest, testing::ValuesIn(AllSettings()),
                         SettingName);

// ---- A device that does not answer: an empty pipe in place of a file. Rings only, since posix
// would sleep in read(2).

class StorageIoSilentDeviceTest : public StorageIoTest {
 protected:
  void SetUp() override {
    StorageIoTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
    pipe_file_ = Register(OpenFile(&FileSystem::Host(), pipe_[0], "pipe", {}));
    ASSERT_OK(io().Read({.file = pipe_file_, .length = 8, .tag = 9}, Filled('-', 8)).status());
    ASSERT_OK(io().Submit());
  }
  void TearDown() override {
    StorageIoTest::TearDown();
    if (pipe_[1] >= 0) close(pipe_[1]);
  }
  void Answer() { ASSERT_EQ(write(pipe_[1], "12345678", 8), 8); }

  int pipe_[2] = {-1, -1};
  FileHandle pipe_file_;
};

TEST_P(StorageIoSilentDeviceTest, WaitEndsAtItsDeadlineAndTheOperationCompletesLater) {
  EXPECT_OK(io().Wait(1, Clock::System().Now() + 2'000'000));
  Completion out[1];
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  EXPECT_EQ(io().in_flight(), 1u);
  Answer();
  const Completion read = WaitForOne();
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(read.bytes, 8u);
  EXPECT_EQ(read.tag, 9u);
}

TEST_P(StorageIoSilentDeviceTest, LoneOperationGoesThroughTheRingWhenToldTo) {
  Answer();
  EXPECT_EQ(WaitForOne().tag, 9u);
  // By a system call this Wait would never end.
  ASSERT_OK(io().Read({.file = pipe_file_, .length = 8, .tag = 10}, Filled('-', 8)).status());
  EXPECT_OK(io().Wait(1, Clock::System().Now() + 1'000'000));
  EXPECT_EQ(io().stats().completed, 1u);
  Answer();
  EXPECT_EQ(WaitForOne().tag, 10u);
}

TEST_P(StorageIoSilentDeviceTest, OthersCompleteWhileOneIsSilent) {
  const FileHandle file = Register(CreateFile("a"));
  for (int i = 0; i < 10; ++i) WriteAndWait(file, i * kBlock, kBlock, 'x');
  ASSERT_OK(io().UnregisterFile(file));
  EXPECT_EQ(io().in_flight(), 1u);
  Answer();
  EXPECT_EQ(WaitForOne().tag, 9u);
}

TEST_P(StorageIoSilentDeviceTest, PollFindsWhatArrivesWithoutWait) {
  Completion out[1];
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  Answer();
  while (io().Poll(absl::MakeSpan(out)) == 0) {  // bounded by the test's own time limit
  }
  EXPECT_EQ(out[0].tag, 9u);
}

TEST_P(StorageIoSilentDeviceTest, DestroyingGivesUpAfterItsBoundAndLeaksTheBuffers) {
  testing::internal::CaptureStderr();
  DestroyStorage();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("1 operations that the kernel did not complete"));
}

// Its leases and its ring are the owner's; there is no bound to wait for.
TEST_P(StorageIoSilentDeviceTest, DestroyedInFlightByAnotherThreadItLeaksAtOnce) {
  testing::internal::CaptureStderr();
  std::thread([this] { DestroyStorage(); }).join();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("1 operations that the kernel did not complete"));
}

std::vector<StorageIoSetting> ImpatientRings() {
  std::vector<StorageIoSetting> rings;
  for (StorageIoSetting setting : AllSettings()) {
    if (!setting.uring() || setting.direct != DirectMode::kOff) continue;
    setting.tuning.drain_max = 20'000'000;
    setting.options.lone_operation_by_syscall = false;
    rings.push_back(setting);
  }
  return rings;
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoSilentDeviceTest, testing::ValuesIn(ImpatientRings()),
                         SettingName);

}  // namespace
}  // namespace corewal
