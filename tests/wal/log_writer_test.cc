#include "wal/log_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io_backend/storage_io_factory.h"
#include "tests/wal/reordering_storage_io.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

struct Setting {
  IoBackend backend;
  SyncMethod sync_method;
  DirectMode direct;
};

std::string NameOf(const testing::TestParamInfo<Setting>& info) {
  return absl::StrCat(info.param.backend == IoBackend::kPosix ? "Posix" : "Uring",
                      info.param.sync_method == SyncMethod::kDsync ? "Dsync" : "Datasync",
                      info.param.direct == DirectMode::kOff ? "Buffered" : "Direct");
}

class LogWriterTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    options_.directory = directory_.path();
    options_.uuid = LogUuid::Random();
    options_.direct = GetParam().direct;
    options_.sync_method = GetParam().sync_method;
    options_.segment_bytes = 1 << 20;
    io_options_ = {.backend = GetParam().backend, .buffers = 6, .buffer_bytes = 64 << 10};
  }

  absl::StatusOr<std::unique_ptr<StorageIo>> NewIo() const { return CreateStorageIo(io_options_); }

  // Opens on what the directory holds. `seed` != 0: behind a ReorderingStorageIo.
  void Open(uint64_t seed = 0) {
    absl::StatusOr<std::unique_ptr<StorageIo>> io = NewIo();
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
    ASSERT_TRUE(io.ok()) << io.status();
    if (seed != 0) {
      auto reordering = std::make_unique<ReorderingStorageIo>(*std::move(io), seed);
      reordering_ = reordering.get();
      io_ = std::move(reordering);
    } else {
      io_ = *std::move(io);
    }
    absl::StatusOr<RecoveredLog> recovered = RecoverLog(
        FileSystem::Host(), *io_, options_.directory, options_.uuid, RecoveryMode::kStrict);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    auto writer = LogWriter::Open(FileSystem::Host(), *io_, Clock::System(), options_, *recovered);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
  }
  void Close() {
    ASSERT_TRUE(writer_->Close().ok()) << writer_->failure();
    writer_.reset();
    io_.reset();
  }
  // As a crash of the process leaves it: nothing is sealed or trimmed.
  void Abandon() {
    writer_->Poll().IgnoreError();
    // Never closed; reachable, so that nobody takes them for a leak.
    static auto* const abandoned =
        new std::vector<std::pair<std::unique_ptr<LogWriter>, std::unique_ptr<StorageIo>>>;
    abandoned->emplace_back(std::move(writer_), std::move(io_));
  }

  Lsn MustAppend(const std::string& text, const AppendOptions& options = {}) {
    for (;;) {
      absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text), options);
      if (lsn.ok()) return *lsn;
      EXPECT_TRUE(absl::IsResourceExhausted(lsn.status())) << lsn.status();
      if (!absl::IsResourceExhausted(lsn.status())) return Lsn();
      EXPECT_TRUE(writer_->Wait(Clock::System().Now() + 1'000'000'000).ok());
    }
  }

  std::vector<std::pair<Lsn, std::string>> ReadBack(LogEnd* end = nullptr) {
    std::vector<std::pair<Lsn, std::string>> records;
    auto io = NewIo();
    EXPECT_TRUE(io.ok()) << io.status();
    auto reader = LogReader::Open(FileSystem::Host(), **io, options_.directory, {});
    EXPECT_TRUE(reader.ok()) << reader.status();
    RecordView record;
    while ((*reader)->Next(&record)) {
      records.emplace_back(
          record.lsn,
          std::string(reinterpret_cast<const char*>(record.payload.data()), record.payload.size()));
    }
    EXPECT_TRUE((*reader)->end().ToStatus().ok()) << (*reader)->end().ToString();
    if (end != nullptr) *end = (*reader)->end().end;
    return records;
  }

  TempDirectory directory_;
  LogWriterOptions options_;
  StorageIoOptions io_options_;
  std::unique_ptr<StorageIo> io_;
  ReorderingStorageIo* reordering_ = nullptr;
  std::unique_ptr<LogWriter> writer_;
};

INSTANTIATE_TEST_SUITE_P(
    Backends, LogWriterTest,
    testing::Values(Setting{IoBackend::kPosix, SyncMethod::kDsync, DirectMode::kAuto},
                    Setting{IoBackend::kPosix, SyncMethod::kDatasync, DirectMode::kOff},
                    Setting{IoBackend::kUring, SyncMethod::kDsync, DirectMode::kAuto},
                    Setting{IoBackend::kUring, SyncMethod::kDatasync, DirectMode::kAuto},
                    Setting{IoBackend::kUring, SyncMethod::kDatasync, DirectMode::kOff}),
    NameOf);

TEST_P(LogWriterTest, ReadsBackWhatWasAppendedInOrder) {
  Open();
  if (IsSkipped()) return;
  std::vector<std::pair<Lsn, std::string>> expected;
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = absl::StrCat("record ", i, std::string(random() % 2000, 'x'));
    expected.emplace_back(MustAppend(text), text);
  }
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_GE(writer_->durable(), expected.back().first + 1);
  Close();
  LogEnd end;
  EXPECT_EQ(ReadBack(&end), expected);
  EXPECT_EQ(end, LogEnd::kSealed);
}

TEST_P(LogWriterTest, EmptyRecordsAndEveryLengthAroundABlockSurvive) {
  Open();
  if (IsSkipped()) return;
  std::vector<std::pair<Lsn, std::string>> expected;
  for (size_t n : {0, 1, 2, 3, 4, 5, 4027, 4028, 4029, 4030, 4031, 4032, 4033, 8120, 8128, 65000}) {
    const std::string text(n, static_cast<char>('a' + n % 26));
    expected.emplace_back(MustAppend(text), text);
    ASSERT_TRUE(writer_->WaitDurable().ok());
  }
  Close();
  EXPECT_EQ(ReadBack(), expected);
}

// DESIGN R1: nothing is called durable before a sync that was staged after its completion was
// reaped.
TEST_P(LogWriterTest, NeverCallsDurableWhatNoSyncCovers) {
  options_.sync_bytes_max = 32 << 10;  // syncs while other batches are in flight
  uint64_t reordered = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    Open(seed);
    if (IsSkipped()) return;
    const Lsn begin = writer_->durable();
    std::mt19937_64 random(seed);
    Lsn last;
    uint64_t published = 0;
    const auto check = [&] {
      ASSERT_LE(writer_->durable(), reordering_->DurablePrefix(begin)) << writer_->DebugString();
      writer_->CheckInvariants();
      if (writer_->durable().value() != published) published = writer_->durable().value();
    };
    for (int i = 0; i < 800;) {
      const std::string text(random() % 20000, 'y');
      absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text));
      if (lsn.ok()) {
        last = *lsn;
        ++i;
        const bool poll = random() % 4 == 0;
        ASSERT_TRUE(!poll || writer_->Poll().ok()) << writer_->failure();
      } else {
        ASSERT_TRUE(absl::IsResourceExhausted(lsn.status())) << lsn.status();
        ASSERT_TRUE(writer_->Wait(kNever).ok()) << writer_->failure();
      }
      check();
    }
    while (writer_->durable() <= last) {
      ASSERT_TRUE(writer_->Wait(kNever).ok());
      check();
    }
    EXPECT_GT(reordering_->batches_seen(), 20u);
    reordered += reordering_->reordered();
    Close();
  }
  EXPECT_GT(reordered, 20u) << "the test did not reorder anything";
}

TEST_P(LogWriterTest, GivesTheDiskNoMoreThanTheBoundsAllow) {
  options_.sync_bytes_max = 64 << 10;
  options_.write_bytes_max = 16 << 10;
  options_.segment_bytes = 1 << 20;
  Open(3);
  if (IsSkipped()) return;
  const uint64_t batch_bytes_max = io_->buffer_bytes();
  uint64_t refused = 0;
  uint64_t in_flight_max = 0;
  for (int i = 0; i < 2000;) {
    const absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(std::string(3000, 'b')));
    if (lsn.ok()) {
      ++i;
    } else {
      ASSERT_TRUE(absl::IsResourceExhausted(lsn.status())) << lsn.status();
      ++refused;
      ASSERT_TRUE(writer_->Wait(kNever).ok()) << writer_->failure();
    }
    const uint64_t in_flight = writer_->submitted() - writer_->written();
    in_flight_max = std::max(in_flight_max, in_flight);
    ASSERT_LE(in_flight, options_.write_bytes_max + batch_bytes_max) << writer_->DebugString();
    // A segment's first block is passed over, not written.
    ASSERT_LE(writer_->submitted() - writer_->durable(),
              2 * options_.sync_bytes_max + batch_bytes_max + kBlockBytes)
        << writer_->DebugString();
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(in_flight_max, 0u);
  Close();
}

TEST_P(LogWriterTest, CallbacksRunOnceInLsnOrderAndOnlyInPoll) {
  Open(7);
  if (IsSkipped()) return;
  std::vector<Lsn> done, expected;
  for (int i = 0; i < 500; ++i) {
    const size_t before = done.size();
    const auto durability = static_cast<Durability>(i % 3);
    absl::StatusOr<Lsn> lsn =
        writer_->Append(Bytes(std::string(static_cast<size_t>(i * 37 % 5000), 'z')),
                        {.durability = durability}, [&done, this](absl::StatusOr<Lsn> result) {
                          ASSERT_TRUE(result.ok());
                          done.push_back(*result);
                          ASSERT_LT(*result, writer_->appended());
                        });
    ASSERT_EQ(done.size(), before) << "a callback ran inside Append";
    if (lsn.ok()) expected.push_back(*lsn);
    if (!lsn.ok() || i % 7 == 0) {
      ASSERT_TRUE(writer_->Poll().ok());
    }
  }
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_EQ(done, expected);
  Close();
}

TEST_P(LogWriterTest, RollsOverSegmentsAndGoesOnAfterReopening) {
  options_.segment_bytes = 128 << 10;
  std::vector<std::pair<Lsn, std::string>> expected;
  for (int opening = 0; opening < 4; ++opening) {
    Open(opening % 2 == 0 ? 0 : 99);
    if (IsSkipped()) return;
    for (int i = 0; i < 100; ++i) {
      const std::string text = absl::StrCat(opening, "/", i, std::string(5000, 'r'));
      expected.emplace_back(MustAppend(text), text);
    }
    ASSERT_TRUE(writer_->WaitDurable().ok());
    EXPECT_GE(writer_->stats().rolls, 4u);
    if (opening == 2) {
      Abandon();
    } else {
      Close();
    }
    EXPECT_EQ(ReadBack(), expected);
  }
  for (size_t i = 1; i < expected.size(); ++i) {
    ASSERT_LT(expected[i - 1].first, expected[i].first);
  }
}

TEST_P(LogWriterTest, RecordsLargerThanABufferComeBackWhole) {
  options_.segment_bytes = 256 << 10;
  Open();
  if (IsSkipped()) return;
  std::vector<std::pair<Lsn, std::string>> expected;
  std::mt19937_64 random(3);
  for (size_t n : {60'000u, 61'372u, 65'536u, 100'000u, 400'000u, 1'000'000u, 10u}) {
    std::string text(n, '\0');
    for (char& c : text) c = static_cast<char>(random());
    expected.emplace_back(MustAppend(text), text);
  }
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();
  EXPECT_TRUE(ReadBack() == expected);  // not EXPECT_EQ: a mismatch would print megabytes
}

TEST_P(LogWriterTest, ReserveEncodesInPlaceAndCancelLeavesNothing) {
  Open();
  if (IsSkipped()) return;
  auto span = writer_->Reserve(100);
  ASSERT_TRUE(span.ok());
  std::memcpy(span->data(), "in place", 8);
  const Lsn first = writer_->Commit(8);
  ASSERT_TRUE(writer_->Reserve(50).ok());
  writer_->Cancel();
  const Lsn second = MustAppend("after");
  EXPECT_FALSE(writer_->Reserve(writer_->reserve_bytes_max() + 1).ok());
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();
  const std::vector<std::pair<Lsn, std::string>> expected = {{first, "in place"},
                                                             {second, "after"}};
  EXPECT_EQ(ReadBack(), expected);
}

TEST_P(LogWriterTest, BatchOfAppendsIsContiguousOrRefused) {
  Open();
  if (IsSkipped()) return;
  const std::string a(30'000, 'a'), b(20'000, 'b');
  const std::vector<absl::Span<const std::byte>> both = {Bytes(a), Bytes(b)};
  ASSERT_TRUE(writer_->AppendBatch(both).ok());
  ASSERT_TRUE(writer_->AppendBatch(both).ok());  // does not fit beside the first
  const std::vector<absl::Span<const std::byte>> too_much = {Bytes(a), Bytes(a), Bytes(a)};
  EXPECT_TRUE(absl::IsInvalidArgument(writer_->AppendBatch(too_much).status()));
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();
  const auto records = ReadBack();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[1].first, records[0].first + FramedBytes(a.size()));
  EXPECT_EQ(records[3].second, b);
}

TEST_P(LogWriterTest, FailedWriteIsFinalAndNothingAfterItIsAcknowledged) {
  Open(5);
  if (IsSkipped()) return;
  MustAppend("good");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  const Lsn durable_before = writer_->durable();
  reordering_->FailBatchWrite(1);
  absl::Status first_answer, second_answer;
  ASSERT_TRUE(writer_
                  ->Append(Bytes("bad"), {},
                           [&](const absl::StatusOr<Lsn>& r) { first_answer = r.status(); })
                  .ok());
  ASSERT_TRUE(writer_
                  ->Append(Bytes("after bad"), {},
                           [&](const absl::StatusOr<Lsn>& r) { second_answer = r.status(); })
                  .ok());
  const absl::Status failure = writer_->WaitDurable();
  ASSERT_FALSE(failure.ok());
  EXPECT_EQ(first_answer, failure);
  EXPECT_EQ(second_answer, failure);
  EXPECT_EQ(writer_->durable(), durable_before);
  EXPECT_EQ(writer_->Append(Bytes("more")).status(), failure);
  EXPECT_EQ(writer_->Poll(), failure);
  EXPECT_NE(std::string(failure.message()).find(".wal"), std::string::npos) << failure;
  EXPECT_NE(std::string(failure.message()).find("EIO"), std::string::npos) << failure;
  EXPECT_EQ(writer_->Close(), failure);
}

TEST_P(LogWriterTest, FailedSyncIsNeverRetried) {
  options_.sync_method = SyncMethod::kDatasync;
  Open(5);
  if (IsSkipped()) return;
  MustAppend("good");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  const Lsn durable_before = writer_->durable();
  reordering_->FailSync(1);
  MustAppend("lost");
  const absl::Status failure = writer_->WaitDurable();
  ASSERT_FALSE(failure.ok());
  const uint64_t syncs = writer_->stats().syncs;
  EXPECT_EQ(writer_->WaitDurable(), failure);
  EXPECT_EQ(writer_->Wait(0), failure);
  EXPECT_EQ(writer_->stats().syncs, syncs);
  EXPECT_EQ(writer_->durable(), durable_before);
}

// The first batch of a burst may be a DSYNC write; those behind it are covered by one datasync, and
// are not durable before it.
TEST_P(LogWriterTest, OneSyncCoversABurstOfBatches) {
  Open();
  if (IsSkipped()) return;
  const bool dsync = GetParam().sync_method == SyncMethod::kDsync;
  const std::string text(40'000, 'z');  // one fills a buffer
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(writer_->Append(Bytes(text)).ok());
  // Three batches are closed; the fourth is not, so that it cannot hide what came before.
  ASSERT_EQ(writer_->stats().batches, 3u);
  EXPECT_EQ(writer_->stats().syncs, dsync ? 1u : 0u);
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_EQ(writer_->stats().batches, 4u);
  // The datasync of the second and third (and of the first), then the fourth by itself.
  EXPECT_EQ(writer_->stats().syncs, dsync ? 3u : 2u);
  Close();
  EXPECT_EQ(ReadBack().size(), 4u);
}

TEST_P(LogWriterTest, FailedSyncBehindADsyncWriteIsFinal) {
  Open(5);
  if (IsSkipped()) return;
  const std::string text(40'000, 'z');
  reordering_->FailSync(1);
  Lsn last;
  for (int i = 0; i < 4; ++i) {
    const absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text));
    ASSERT_TRUE(lsn.ok()) << lsn.status();
    last = *lsn;
  }
  const absl::Status failure = writer_->WaitDurable();
  ASSERT_FALSE(failure.ok());
  EXPECT_NE(std::string(failure.message()).find("fdatasync"), std::string::npos) << failure;
  EXPECT_LT(writer_->durable(), last);
  EXPECT_EQ(writer_->Append(Bytes(text)).status(), failure);
}

// An idle log syncs what it still holds, then writes its seal, all without another append.
TEST_P(LogWriterTest, IdleLogSyncsAndSealsItself) {
  options_.seal_after_us = 1000;
  Open();
  if (IsSkipped()) return;
  const Lsn lsn = MustAppend("alone", {.durability = Durability::kAppended});
  while (writer_->stats().seals == 0) ASSERT_TRUE(writer_->Wait(kNever).ok());
  EXPECT_GT(writer_->durable(), lsn);
  const Lsn next = MustAppend("overwrites the seal");
  EXPECT_EQ(next.value() / kBlockBytes, lsn.value() / kBlockBytes + 1);
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();
  const std::vector<std::pair<Lsn, std::string>> expected = {{lsn, "alone"},
                                                             {next, "overwrites the seal"}};
  EXPECT_EQ(ReadBack(), expected);
}

TEST_P(LogWriterTest, OpeningAndClosingLeavesTheLogAsItWas) {
  Open();
  if (IsSkipped()) return;
  Close();
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  Open();
  MustAppend("one");
  Close();
  const auto files_of = [&] {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      names.push_back(absl::StrCat(entry.path().filename().string(), " ",
                                   std::filesystem::file_size(entry.path())));
    }
    std::sort(names.begin(), names.end());
    return names;
  };
  const std::vector<std::string> before = files_of();
  for (int i = 0; i < 20; ++i) {
    Open();
    Close();
  }
  EXPECT_EQ(files_of(), before);
  EXPECT_EQ(ReadBack().size(), 1u);
}

TEST_P(LogWriterTest, TruncationRecyclesAndKeepsTheRest) {
  options_.segment_bytes = 128 << 10;
  Open();
  if (IsSkipped()) return;
  std::vector<std::pair<Lsn, std::string>> expected;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 60; ++i) {
      const std::string text = absl::StrCat(round, "/", i, std::string(6000, 't'));
      expected.emplace_back(MustAppend(text), text);
    }
    ASSERT_TRUE(writer_->WaitDurable().ok());
    ASSERT_TRUE(writer_->TruncateBefore(expected[expected.size() - 20].first).ok());
  }
  EXPECT_FALSE(writer_->TruncateBefore(writer_->appended() + 1'000'000).ok());
  Close();
  const auto records = ReadBack();
  ASSERT_GE(records.size(), 20u);
  ASSERT_LT(records.size(), 120u);
  EXPECT_TRUE(std::equal(records.rbegin(), records.rend(), expected.rbegin()));
}

TEST_P(LogWriterTest, RefusesWhatIsNotTheUsers) {
  Open();
  if (IsSkipped()) return;
  EXPECT_TRUE(absl::IsInvalidArgument(
      writer_->Append(Bytes("x"), {.type = RecordType::kEpochBarrier}).status()));
  EXPECT_EQ(writer_->appended(), Lsn());
  ASSERT_TRUE(writer_->Close().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer_->Append(Bytes("x")).status()));
}

// A write that the kernel cuts short (RLIMIT_FSIZE) is an error, never durable.
TEST_P(LogWriterTest, WriteCutShortByFileSizeLimitIsNeverDurable) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Prepared files are larger than the limit that comes after; a growing write then fails.
    Open();
    if (IsSkipped()) _exit(77);
    MustAppend("before the limit");
    if (!writer_->WaitDurable().ok()) _exit(1);
    const Lsn durable = writer_->durable();
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{20 << 10, 20 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string text(50'000, 'l');
    if (!writer_->Append(Bytes(text)).ok()) _exit(2);
    if (writer_->WaitDurable().ok()) _exit(3);
    if (writer_->durable() != durable) _exit(4);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "io_uring is not to be had here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace corewal
