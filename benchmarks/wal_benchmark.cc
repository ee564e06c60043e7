// benchmarks/wal_benchmark.cc: the log writer and reader, on the disk of the current directory.
//
//   BM_FrameRecord   framing into a buffer alone: no I/O at all
//   BM_CommitRecord  append one record, wait until it is durable
//   BM_StreamRecord  append as fast as the log accepts; the last sync is inside the time
//   BM_ReadRecord    read records back from a closed log, which the page cache may hold
//
// The context lines name backend, file system, O_DIRECT and sync method. For ratios to the device's
// floor use wal-bench.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "io_backend/storage_io_factory.h"
#include "wal/batch_builder.h"
#include "wal/log_reader.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr uint32_t kBufferBytes = 1u << 20;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

// A log of its own in the current directory, gone when it goes.
class BenchLog {
 public:
  explicit BenchLog(uint32_t segments_first = 0) {
    CHECK(mkdtemp(directory_.data()) != nullptr);
    auto io = CreateStorageIo({.file_slots = segments_first + 16});
    CHECK_OK(io.status());
    io_ = *std::move(io);
    RecoveredLog nothing;
    nothing.end.end = LogEnd::kEmpty;
    auto writer = LogWriter::Open(FileSystem::Host(), *io_, Clock::System(),
                                  {.directory = directory_,
                                   .uuid = LogUuid::Random(),
                                   .sync_method = SyncMethod::kDatasync,
                                   .segments_first = segments_first},
                                  nothing);
    CHECK_OK(writer.status());
    writer_ = *std::move(writer);
  }
  ~BenchLog() {
    writer_.reset();
    io_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  LogWriter& writer() { return *writer_; }
  StorageIo& io() { return *io_; }
  const std::string& directory() const { return directory_; }

  void MustAppend(absl::Span<const std::byte> payload) {
    while (!writer_->Append(payload).ok()) CHECK_OK(writer_->Wait(kNever));
  }

 private:
  std::string directory_ = "./wal-benchmark-XXXXXX";
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
};

void BM_FrameRecord(benchmark::State& state) {
  struct Home final : BufferHome {
    void ReturnBuffer(uint32_t) override {}
  } home;
  void* const memory = aligned_alloc(kBlockBytes, kBufferBytes);
  const std::string record(static_cast<size_t>(state.range(0)), 'r');
  BatchBuilder builder;
  for (auto _ : state) {
    if (!builder.Fits(record.size())) {
      builder.Close(builder.end());
      builder.Start(BufferLease(&home, 0, static_cast<std::byte*>(memory), kBufferBytes), 0,
                    builder.end(), kBufferBytes);
    }
    benchmark::DoNotOptimize(builder.Append(Bytes(record), RecordType::kUser));
  }
  builder.Close(builder.end());
  free(memory);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_FrameRecord)->ArgName("bytes")->Arg(16)->Arg(128)->Arg(1 << 10)->Arg(16 << 10);

void BM_CommitRecord(benchmark::State& state) {
  BenchLog log;
  const std::string record(static_cast<size_t>(state.range(0)), 'r');
  for (auto _ : state) {
    log.MustAppend(Bytes(record));
    CHECK_OK(log.writer().WaitDurable());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CommitRecord)->ArgName("bytes")->Arg(128)->UseRealTime();

// A fixed amount, so that all of it lands in segments prepared before the clock.
void BM_StreamRecord(benchmark::State& state) {
  constexpr int64_t kTotalBytes = 512 << 20;
  const std::string record(static_cast<size_t>(state.range(0)), 'r');
  const int64_t records = kTotalBytes / state.range(0);
  for (auto _ : state) {
    state.PauseTiming();
    auto log = std::make_unique<BenchLog>(10);
    while (log->writer().stats().segments_ready < 10) {
      CHECK_OK(log->writer().Wait(Clock::System().Now() + 1'000'000'000));
    }
    state.ResumeTiming();
    for (int64_t i = 0; i < records; ++i) log->MustAppend(Bytes(record));
    CHECK_OK(log->writer().WaitDurable());
    state.PauseTiming();
    log.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * records);
  state.SetBytesProcessed(state.iterations() * records * state.range(0));
}
BENCHMARK(BM_StreamRecord)
    ->ArgName("bytes")
    ->Arg(128)
    ->Arg(1 << 10)
    ->Arg(16 << 10)
    ->Iterations(3)
    ->UseRealTime();

void BM_ReadRecord(benchmark::State& state) {
  constexpr int64_t kTotalBytes = 256 << 20;
  BenchLog log;
  const std::string record(static_cast<size_t>(state.range(0)), 'r');
  for (int64_t i = 0; i < kTotalBytes / state.range(0); ++i) log.MustAppend(Bytes(record));
  CHECK_OK(log.writer().Close());
  int64_t records = 0;
  for (auto _ : state) {
    auto reader = LogReader::Open(FileSystem::Host(), log.io(), log.directory(), {});
    CHECK_OK(reader.status());
    RecordView view;
    while ((*reader)->Next(&view)) ++records;
    CHECK_OK((*reader)->end().ToStatus());
  }
  state.SetItemsProcessed(records);
  state.SetBytesProcessed(records * state.range(0));
}
BENCHMARK(BM_ReadRecord)->ArgName("bytes")->Arg(128)->Arg(1 << 10)->UseRealTime();

void DescribeSetting() {
  BenchLog log;
  const IoCapabilities& caps = log.io().capabilities();
  benchmark::AddCustomContext("backend", caps.backend + " " + caps.ring_mode);
  benchmark::AddCustomContext("file system", FileSystem::Host().TypeName("."));
  log.MustAppend({});
  CHECK_OK(log.writer().WaitDurable());
  benchmark::AddCustomContext("O_DIRECT", log.writer().direct() ? "yes" : "no");
  benchmark::AddCustomContext("sync method",
                              std::string(SyncMethodName(log.writer().options().sync_method)));
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  corewal::DescribeSetting();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
