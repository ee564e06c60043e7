// append_work WORKLOAD RECORDS: does a fixed amount of work in a log, for the guard to count.
//
//   stream            append 128 bytes, Poll each 512 records
//   stream-callbacks  the same, with a callback for each record
//   commit            append 128 bytes, wait until it is durable
//
// On the posix backend, whose I/O happens inside Poll, so that nothing depends on time: the same
// instructions, system calls and allocations each time. All happens inside one segment, with the
// next one ready. callgrind counts inside MeasuredPart(); what else is counted is printed, of the
// same part: `allocations N`, and with COUNT_SYSTEM_CALLS in the environment `system_calls N`.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "io_backend/storage_io_factory.h"
#include "tests/proof/allocation_count.h"
#include "tests/proof/system_call_count.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr uint32_t kRecordBytes = 128;
constexpr uint64_t kPollEvery = 512;
constexpr uint64_t kSegmentBytes = 64 << 20;

enum class Work : uint8_t { kStream, kStreamCallbacks, kCommit };

class AppendWork {
 public:
  AppendWork(Work work, uint64_t records) : work_(work), records_(records) {
    auto io = CreateStorageIo({.backend = IoBackend::kPosix});
    CHECK_OK(io.status());
    io_ = *std::move(io);
    RecoveredLog nothing;
    nothing.end.end = LogEnd::kEmpty;
    auto writer = LogWriter::Open(FileSystem::Host(), *io_, Clock::System(),
                                  {.directory = directory_.path(),
                                   .uuid = LogUuid::Random(),
                                   .segment_bytes = kSegmentBytes,
                                   .segments_ready = 1,
                                   .seal_after_us = 3'600'000'000},
                                  nothing);
    CHECK_OK(writer.status());
    writer_ = *std::move(writer);
    // Once through everything, so that the next segment is ready and nothing is new.
    Append(4 * kPollEvery);
    CHECK_OK(writer_->WaitDurable());
    while (writer_->stats().segments_ready == 0) CHECK_OK(writer_->Poll());
  }

  __attribute__((noinline)) void MeasuredPart() { Append(records_); }

  // What was asked for was done, and nothing else.
  void Check(uint64_t records_before) {
    CHECK_OK(writer_->WaitDurable());  // stats() counts the records of closed batches
    CHECK_EQ(writer_->stats().records - records_before, records_);
    CHECK_EQ(writer_->stats().rolls, 1u) << "the records are to fit one segment";
    CHECK_EQ(writer_->stats().stalls, 0u);
  }
  uint64_t records() const { return writer_->stats().records; }

 private:
  void Append(uint64_t records) {
    const auto payload =
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(record_.data()), record_.size());
    for (uint64_t i = 1; i <= records; ++i) {
      if (work_ == Work::kStreamCallbacks) {
        CHECK_OK(
            writer_->Append(payload, {}, [this](const absl::StatusOr<Lsn>&) { ++done_; }).status());
      } else {
        CHECK_OK(writer_->Append(payload).status());
      }
      if (work_ == Work::kCommit) {
        CHECK_OK(writer_->WaitDurable());
      } else if (i % kPollEvery == 0) {
        CHECK_OK(writer_->Poll());
      }
    }
  }

  const Work work_;
  const uint64_t records_;
  const std::string record_ = std::string(kRecordBytes, 'r');
  TempDirectory directory_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  uint64_t done_ = 0;
};

void Run(Work work, uint64_t records) {
  AppendWork all(work, records);
  const uint64_t before = all.records();
  const uint64_t allocations = AllocationCount();
  all.MeasuredPart();
  const uint64_t allocated = AllocationCount() - allocations;
  all.Check(before);
  std::printf("allocations %llu\n", static_cast<unsigned long long>(allocated));
}

void RunUnderTracer(Work work, uint64_t records) {
  const SystemCallCounts counts = CountSystemCalls([=] {
    AppendWork all(work, records);
    StartCounting();
    all.MeasuredPart();
    StopCounting();
  });
  CHECK(counts.unavailable.empty()) << counts.unavailable;
  std::printf("system_calls %llu\n", static_cast<unsigned long long>(counts.total()));
}

int Main(int argc, char** argv) {
  const absl::string_view name = argc == 3 ? argv[1] : "";
  uint64_t records = 0;
  Work work = Work::kStream;
  bool known = true;
  if (name == "stream-callbacks") {
    work = Work::kStreamCallbacks;
  } else if (name == "commit") {
    work = Work::kCommit;
  } else {
    known = name == "stream";
  }
  if (!known || !absl::SimpleAtoi(argv[2], &records)) {
    std::fputs("usage: append_work stream|stream-callbacks|commit RECORDS\n", stderr);
    return 1;
  }
  if (std::getenv("COUNT_SYSTEM_CALLS") != nullptr) {
    RunUnderTracer(work, records);
  } else {
    Run(work, records);
  }
  return 0;
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::Main(argc, argv); }
