// What a log costs once it runs, inside a segment: no allocation per record, and one system call
// per turn of its loop, whatever the turn appends. Preparing the next segment is not in it; that is
// why these segments are large.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "io_backend/storage_io_factory.h"
#include "tests/proof/allocation_count.h"
#include "tests/proof/submission_log.h"
#include "tests/proof/system_call_count.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr uint32_t kTurns = 60;
constexpr uint32_t kFew = 20;     // records of a turn: one write at a time, without the ring
constexpr uint32_t kMany = 2000;  // several batches in flight, through the ring

struct LogSetting {
  std::string name;
  IoBackend backend = IoBackend::kUring;
  SyncMethod sync_method = SyncMethod::kDatasync;
  Want sqpoll = Want::kOff;
};
void PrintTo(const LogSetting& setting, std::ostream* os) { *os << setting.name; }

class LogWriterSteadyStateTest : public testing::TestWithParam<LogSetting> {
 protected:
  void SetUp() override {
    const auto io = CreateStorageIo(Options());
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
    ASSERT_TRUE(io.ok()) << io.status();
  }
  void TearDown() override { Close(); }

  StorageIoOptions Options() const {
    return {.backend = GetParam().backend,
            .buffers = 8,
            .buffer_bytes = 64 << 10,
            .sqpoll = GetParam().sqpoll,
            .sqpoll_idle_ms = 60'000};
  }
  // A log in the middle of a segment, with the next one ready and nothing in flight.
  void Open() {
    auto io = CreateStorageIo(Options());
    ASSERT_TRUE(io.ok()) << io.status();
    io_ = *std::move(io);
    RecoveredLog nothing;
    nothing.end.end = LogEnd::kEmpty;
    auto writer = LogWriter::Open(FileSystem::Host(), *io_, Clock::System(),
                                  {.directory = directory_.path(),
                                   .uuid = LogUuid::Random(),
                                   .sync_method = GetParam().sync_method,
                                   .segment_bytes = 24 << 20,
                                   .segments_ready = 1,
                                   .seal_after_us = 3'600'000'000},
                                  nothing);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
    for (int i = 0; i < 3; ++i) Turn(kMany);
    while (writer_->durable() < writer_->appended() || writer_->stats().segments_ready == 0 ||
           io_->in_flight() > 0) {
      ASSERT_TRUE(writer_->Wait(Clock::System().Now() + 1'000'000).ok());
    }
  }
  void Close() {
    writer_.reset();
    io_.reset();
  }

  bool Append() {
    return writer_
        ->Append(
            absl::MakeConstSpan(reinterpret_cast<const std::byte*>(record_.data()), record_.size()),
            {}, [this](const absl::StatusOr<Lsn>& lsn) { done_ += lsn.ok() ? 1 : 0; })
        .ok();
  }
  // Appends so many, then does what there is to do and sleeps until something has completed.
  void Turn(uint32_t records) {
    for (uint32_t i = 0; i < records; ++i) {
      while (!Append()) WaitOnce();
    }
    WaitOnce();
  }
  void WaitOnce() {
    ASSERT_TRUE(writer_->Wait(kNever).ok());
    ++waits_;
  }

  const std::string record_ = std::string(100, 'r');
  TempDirectory directory_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  uint64_t done_ = 0;
  uint32_t waits_ = 0;
};

TEST_P(LogWriterSteadyStateTest, NothingIsAllocatedPerRecord) {
  Open();
  const LogWriterStats stats = writer_->stats();
  const uint64_t done = done_;
  const uint64_t before = AllocationCount();
  for (uint32_t i = 0; i < kTurns; ++i) {
    Turn(kFew);
    Turn(kMany);
    ASSERT_TRUE(writer_->WaitDurable().ok());
    ASSERT_TRUE(writer_->Poll().ok());
  }
  EXPECT_EQ(done_ - done, kTurns * (kFew + kMany)) << "appended, submitted, written, synced, told";
  uint32_t accepted = 0;
  while (Append()) ++accepted;  // until every buffer is full
  for (int i = 0; i < 100; ++i) ASSERT_FALSE(Append());
  EXPECT_EQ(AllocationCount() - before, 0u) << "refusals included";
  EXPECT_GT(accepted, kFew);
  EXPECT_GT(writer_->stats().stalls, stats.stalls + 100);
  EXPECT_GT(writer_->stats().batches, stats.batches + 4 * kTurns);
  EXPECT_EQ(writer_->stats().rolls, stats.rolls);
}

// A turn: append, then Wait, which reaps, stages what that allows, hands it over and sleeps.
TEST_P(LogWriterSteadyStateTest, StreamingMakesOneSystemCallPerTurn) {
  for (const uint32_t records : {kFew, kMany}) {
    int result[2];
    ASSERT_EQ(pipe(result), 0);
    const SystemCallCounts counts = CountSystemCalls([&, this] {
      Open();
      waits_ = 0;
      StartCounting();
      for (uint32_t i = 0; i < kTurns; ++i) Turn(records);
      StopCounting();
      EXPECT_EQ(write(result[1], &waits_, sizeof(waits_)), static_cast<ssize_t>(sizeof(waits_)));
      Close();
    });
    close(result[1]);
    uint32_t turns = 0;
    const ssize_t told = read(result[0], &turns, sizeof(turns));
    close(result[0]);
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    if (!counts.unavailable.empty()) GTEST_SKIP() << counts.unavailable;
    ASSERT_EQ(told, static_cast<ssize_t>(sizeof(turns)));
    EXPECT_GE(counts.total(), turns / 4) << counts;
    if (GetParam().backend == IoBackend::kPosix) continue;  // one for each operation
    EXPECT_LE(counts.total(), turns) << counts << ", turns of " << records << " records";
    if (records == kMany) {
      // The others are lone operations, which go by a system call of their own.
      EXPECT_GT(counts.of(SYS_io_uring_enter), counts.total() / 2) << counts;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Logs, LogWriterSteadyStateTest,
    testing::Values(LogSetting{"posix_datasync", IoBackend::kPosix},
                    LogSetting{"posix_dsync", IoBackend::kPosix, SyncMethod::kDsync},
                    LogSetting{"uring_datasync"},
                    LogSetting{"uring_dsync", IoBackend::kUring, SyncMethod::kDsync},
                    LogSetting{"uring_sqpoll_dsync", IoBackend::kUring, SyncMethod::kDsync,
                               Want::kOn}),
    [](const auto& info) { return info.param.name; });

// The same under a poller that is awake, by a loop that only Polls.
class LogWriterAwakePollerTest : public LogWriterSteadyStateTest {};

TEST_P(LogWriterAwakePollerTest, StreamingMakesNoSystemCallAtAll) {
  const SystemCallCounts counts = CountSystemCalls([this] {
    Open();
    const uint64_t done = done_;
    StartCounting();
    for (uint32_t i = 0; i < kTurns * kFew; ++i) {
      while (!Append()) {
        sched_yield();
        ASSERT_TRUE(writer_->Poll().ok());
      }
      if (i % kFew == kFew - 1) {
        ASSERT_TRUE(writer_->Poll().ok());
      }
    }
    while (done_ - done < kTurns * kFew) {
      sched_yield();
      ASSERT_TRUE(writer_->Poll().ok());
    }
    StopCounting();
    Close();
  });
  if (!counts.unavailable.empty()) GTEST_SKIP() << counts.unavailable;
  // What yields the processor is the test's own loop.
  EXPECT_EQ(counts.total(), counts.of(SYS_sched_yield)) << counts;
}

INSTANTIATE_TEST_SUITE_P(Logs, LogWriterAwakePollerTest,
                         testing::Values(LogSetting{"uring_sqpoll_dsync", IoBackend::kUring,
                                                    SyncMethod::kDsync, Want::kOn},
                                         LogSetting{"uring_sqpoll_datasync", IoBackend::kUring,
                                                    SyncMethod::kDatasync, Want::kOn}),
                         [](const auto& info) { return info.param.name; });

// The log's writes and syncs as the kernel got them.
class LogWriterSubmissionTest : public LogWriterSteadyStateTest {};

TEST_P(LogWriterSubmissionTest, EveryOperationNamesARegisteredFileAndBuffer) {
  Open();
  ASSERT_TRUE(io_->capabilities().registered_buffers) << "needs memlock for 512 KiB";
  ASSERT_TRUE(io_->capabilities().registered_files);
  // Past one lap of the queue, so that nothing is left there of how the segments were prepared.
  for (uint32_t i = 0; i < kTurns; ++i) Turn(kMany);
  uint32_t writes = 0;
  for (const io_uring_sqe& entry : SubmittedEntries()) {
    EXPECT_TRUE(IsFixedFile(entry)) << "opcode " << int{entry.opcode};
    EXPECT_TRUE(entry.opcode == IORING_OP_WRITE_FIXED || entry.opcode == IORING_OP_FSYNC)
        << "opcode " << int{entry.opcode};
    writes += entry.opcode == IORING_OP_WRITE_FIXED ? 1 : 0;
  }
  EXPECT_GT(writes, 10u);
}

INSTANTIATE_TEST_SUITE_P(Logs, LogWriterSubmissionTest,
                         testing::Values(LogSetting{"uring_dsync", IoBackend::kUring,
                                                    SyncMethod::kDsync},
                                         LogSetting{"uring_datasync"},
                                         LogSetting{"uring_sqpoll_dsync", IoBackend::kUring,
                                                    SyncMethod::kDsync, Want::kOn},
                                         LogSetting{"uring_sqpoll_datasync", IoBackend::kUring,
                                                    SyncMethod::kDatasync, Want::kOn}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace corewal
