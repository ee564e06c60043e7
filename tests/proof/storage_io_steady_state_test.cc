// What a StorageIo costs once it runs: system calls, as ptrace(2) counts them; allocations; and
// whether each operation that the kernel got names a registered file and a registered buffer.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>

#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/io_backend/storage_io_fixture.h"
#include "tests/proof/allocation_count.h"
#include "tests/proof/submission_log.h"
#include "tests/proof/system_call_count.h"

namespace corewal {
namespace {

constexpr uint32_t kWrites = 4, kReads = 2, kPerTurn = kWrites + kReads + 1;
constexpr uint32_t kTurns = 20;

class StorageIoSteadyStateTest : public StorageIoTest {
 protected:
  // Stages what a turn of a log's loop stages, and some reads.
  void StageTurn(FileHandle file) {
    for (uint32_t i = 0; i < kWrites + kReads; ++i) {
      auto lease = io().AcquireBuffer();
      ASSERT_TRUE(lease.ok());
      const FileOffset offset((i % kWrites) * kBlock);
      const WriteMode mode = i == 0 ? WriteMode::kDsync : WriteMode::kPlain;
      ASSERT_TRUE(
          (i < kWrites
               ? io().Write({.file = file, .offset = offset, .length = kBlock, .mode = mode},
                            *std::move(lease))
               : io().Read({.file = file, .offset = offset, .length = kBlock}, *std::move(lease)))
              .ok());
    }
    ASSERT_TRUE(io().Sync({.file = file}).ok());
  }
  size_t PollSome() {
    std::array<Completion, kPerTurn> out;
    const size_t count = io().Poll(absl::MakeSpan(out));
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(out[i].error, 0);
    return count;
  }
  // One turn: everything staged, then one Wait for all of it.
  void Turn(FileHandle file) {
    StageTurn(file);
    ASSERT_TRUE(io().Wait(kPerTurn, kNever).ok());
    ASSERT_EQ(PollSome(), kPerTurn);
  }
  // As a host with its own loop does it, which never waits in the storage.
  void TurnWithoutWait(FileHandle file) {
    StageTurn(file);
    ASSERT_TRUE(io().Submit().ok());
    for (size_t polled = 0; polled < kPerTurn;) {
      const size_t count = PollSome();
      if (count == 0) sched_yield();
      polled += count;
    }
  }
  StorageIoOptions Small() const {
    StorageIoOptions small = options();
    small.queue_depth = 15;
    small.buffers = 8;
    small.sqpoll_idle_ms = 60'000;  // awake all the time, unless it is shared
    return small;
  }
  bool sqpoll() const { return GetParam().options.sqpoll == Want::kOn; }
};

class StorageIoAwakePollerTest : public StorageIoSteadyStateTest {};
class StorageIoSubmissionTest : public StorageIoSteadyStateTest {};

TEST_P(StorageIoSteadyStateTest, OneWaitIsOneSystemCallWhateverItHandsOver) {
  DestroyStorage();
  const SystemCallCounts counts = CountSystemCalls([this] {
    Recreate(Small());
    const FileHandle file = Register(CreateFile("a"));
    for (int i = 0; i < 3; ++i) Turn(file);
    StartCounting();
    for (uint32_t i = 0; i < kTurns; ++i) Turn(file);
    StopCounting();
    DestroyStorage();
  });
  if (!counts.unavailable.empty()) GTEST_SKIP() << counts.unavailable;
  if (!GetParam().uring()) {
    EXPECT_EQ(counts.total(), kTurns * kPerTurn) << counts;
  } else if (sqpoll()) {
    // To sleep, not to submit: none if the poller was quicker.
    EXPECT_LE(counts.of(SYS_io_uring_enter), kTurns) << counts;
    EXPECT_EQ(counts.total(), counts.of(SYS_io_uring_enter)) << counts;
  } else {
    EXPECT_EQ(counts.of(SYS_io_uring_enter), kTurns) << counts;
    EXPECT_EQ(counts.total(), kTurns) << counts;
  }
}

TEST_P(StorageIoAwakePollerTest, NeedsNoSystemCallAtAll) {
  DestroyStorage();
  const SystemCallCounts counts = CountSystemCalls([this] {
    Recreate(Small());
    const FileHandle file = Register(CreateFile("a"));
    for (int i = 0; i < 3; ++i) TurnWithoutWait(file);
    StartCounting();
    for (uint32_t i = 0; i < kTurns; ++i) TurnWithoutWait(file);
    StopCounting();
    DestroyStorage();
  });
  if (!counts.unavailable.empty()) GTEST_SKIP() << counts.unavailable;
  // What yields the processor is the test's own loop.
  EXPECT_EQ(counts.total(), counts.of(SYS_sched_yield)) << counts;
}

TEST_P(StorageIoSubmissionTest, EveryOperationNamesRegisteredFilesAndBuffersIfThereAreAny) {
  Recreate(Small());
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < kTurns; ++i) Turn(file);
  const bool registered = GetParam().options.registered_buffers == Want::kOn;
  const bool fixed_files = GetParam().options.registered_files == Want::kOn;
  const std::set<int> expected =
      registered ? std::set<int>{IORING_OP_WRITE_FIXED, IORING_OP_READ_FIXED, IORING_OP_FSYNC}
                 : std::set<int>{IORING_OP_WRITE, IORING_OP_READ, IORING_OP_FSYNC};
  std::set<int> opcodes;
  std::set<uint64_t> first_buffer;  // where it must begin, by each operation's word
  const std::vector<io_uring_sqe> entries = SubmittedEntries();
  EXPECT_GE(entries.size(), 15u) << "every place of the queue was used, many times";
  for (const io_uring_sqe& entry : entries) {
    opcodes.insert(entry.opcode);
    EXPECT_EQ(IsFixedFile(entry), fixed_files) << "opcode " << int{entry.opcode};
    if (fixed_files) {
      EXPECT_EQ(entry.fd, static_cast<int>(file.index));
    }
    if (registered && entry.opcode != IORING_OP_FSYNC) {
      EXPECT_LT(entry.buf_index, 8);
      first_buffer.insert(entry.addr - uint64_t{entry.buf_index} * io().buffer_bytes());
    }
  }
  EXPECT_EQ(opcodes, expected);
  EXPECT_EQ(first_buffer.size(), registered ? 1u : 0u);
}

TEST_P(StorageIoSteadyStateTest, NothingIsAllocatedPerOperation) {
  Recreate(Small());
  const FileHandle file = Register(CreateFile("a"));
  for (int i = 0; i < 3; ++i) {
    Turn(file);
    TurnWithoutWait(file);
  }
  const uint64_t before = AllocationCount();
  for (uint32_t i = 0; i < kTurns; ++i) {
    Turn(file);
    TurnWithoutWait(file);
  }
  EXPECT_EQ(AllocationCount() - before, 0u) << "in " << 2 * kTurns * kPerTurn << " operations";
}

std::vector<StorageIoSetting> Settings(bool (*wanted)(const StorageIoSetting&)) {
  std::vector<StorageIoSetting> some;
  for (const StorageIoSetting& setting : AllSettings()) {
    if (wanted(setting)) some.push_back(setting);
  }
  return some;
}
bool IsRing(const StorageIoSetting& setting) { return setting.uring(); }
// Whose idle time is set here.
bool HasPollerOfItsOwn(const StorageIoSetting& setting) {
  return setting.options.sqpoll == Want::kOn && setting.options.shared_poller == nullptr;
}

// One of the two without the other as well.
std::vector<StorageIoSetting> RingsAndHalfRegisteredOnes() {
  std::vector<StorageIoSetting> rings = Settings(IsRing);
  const StorageIoSetting whole = rings.front();
  for (const bool buffers : {true, false}) {
    StorageIoSetting half = whole;
    half.name = buffers ? "uring_buffers_only" : "uring_files_only";
    half.options.registered_buffers = buffers ? Want::kOn : Want::kOff;
    half.options.registered_files = buffers ? Want::kOff : Want::kOn;
    rings.push_back(half);
  }
  return rings;
}

INSTANTIATE_TEST_SUITE_P(Rings, StorageIoSubmissionTest,
                         testing::ValuesIn(RingsAndHalfRegisteredOnes()), SettingName);
INSTANTIATE_TEST_SUITE_P(Pollers, StorageIoAwakePollerTest,
                         testing::ValuesIn(Settings(HasPollerOfItsOwn)), SettingName);
INSTANTIATE_TEST_SUITE_P(Backends, StorageIoSteadyStateTest, testing::ValuesIn(AllSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
