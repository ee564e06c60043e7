// benchmarks/storage_io_benchmark.cc: what each feature of the ring buys, feature against none, on
// the disk of the current directory. uring/KERNEL.md has the numbers of one machine.
//
//   buffers/...  READ_FIXED and WRITE_FIXED on registered buffers, against READ and WRITE
//   files/...    registered files, against descriptors
//   mode/...     the rungs of the ladder; 8 operations a turn, staged together, one Wait
//   poller/...   two storages with SQPOLL, a poller each or one for both; 8 operations a turn on
//   each ring_fd/...  the ring's own descriptor registered or not: an enter with one NOP pages/...
//   buffers in huge pages (the label says which), against ordinary ones gather/...   64 KiB in one
//   write of 16 buffers, against one buffer, and against 16 writes pool/...     the same number of
//   buffers, there at first or grown to; and what growing costs commit/...   4 KiB made durable,
//   one after the other, O_DIRECT, prewritten: by each method
//
// A turn is one iteration. Read the ratio of two rows of one group, and CPU before time: it is that
// of the process with its ring's workers and poller. Rows are compared only if they ran
// interleaved:
//
//   storage_io_benchmark --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
//       --benchmark_report_aggregates_only=true --benchmark_filter=buffers
#include <benchmark/benchmark.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "benchmarks/bench_disk.h"
#include "io_backend/posix_storage_io.h"
#include "io_backend/storage_io_factory.h"
#include "io_backend/uring_storage_io.h"
#include "uring/ring.h"

namespace corewal {
namespace {

constexpr uint64_t kFileBytes = 16u << 20;
constexpr uint32_t kInFlight = 8;  // transfers a turn; as many buffers as a storage has by default

struct Shape {
  bool write = false;
  bool direct = false;
  uint32_t bytes = 4096;
};

std::unique_ptr<StorageIo> MakeStorage(const StorageIoOptions& options,
                                       const UringTuning& tuning = {}) {
  if (options.backend == IoBackend::kPosix) {
    auto io = PosixStorageIo::Create(options, {});
    CHECK_OK(io.status());
    return *std::move(io);
  }
  auto io = UringStorageIo::Create(options, tuning);
  CHECK_OK(io.status());
  return *std::move(io);
}

BufferLease Buffer(StorageIo& io) {
  auto lease = io.AcquireBuffer();
  CHECK_OK(lease.status());
  return *std::move(lease);
}

void WaitForAll(StorageIo& io) {
  while (io.in_flight() > 0) {
    CHECK_OK(io.Wait(io.in_flight(), kNever));
    std::array<Completion, 16> out;
    const size_t count = io.Poll(absl::MakeSpan(out));
    for (size_t i = 0; i < count; ++i) CHECK_EQ(out[i].error, 0);
  }
}

// Makes a pool that may grow as large as it may get.
void GrowPool(StorageIo& io) {
  std::vector<BufferLease> all;
  while (io.capabilities().buffers < io.capabilities().buffers_max) all.push_back(Buffer(io));
}

// kInFlight transfers a turn, over the file from its beginning to its end and again.
void RunTurns(benchmark::State& state, StorageIoOptions options, const UringTuning& tuning,
              Shape shape) {
  OpenFile opened = MakeBenchFile(kFileBytes, shape.direct);
  options.buffer_bytes = shape.bytes;
  const std::unique_ptr<StorageIo> io = MakeStorage(options, tuning);
  GrowPool(*io);
  const auto file = io->RegisterFile(opened);
  CHECK_OK(file.status());
  uint64_t at = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < kInFlight; ++i) {
      const FileOffset offset(at);
      at = (at + shape.bytes) % kFileBytes;
      CHECK_OK(
          (shape.write
               ? io->Write({.file = *file, .offset = offset, .length = shape.bytes}, Buffer(*io))
               : io->Read({.file = *file, .offset = offset, .length = shape.bytes}, Buffer(*io)))
              .status());
    }
    WaitForAll(*io);
  }
  state.SetItemsProcessed(state.iterations() * kInFlight);
  if (options.huge_pages != Want::kOff) state.SetLabel(io->capabilities().buffer_pages);
}

// How 16 blocks that follow one another in the file are written.
enum class Pieces : uint8_t { kOneBuffer, kGather, kSixteenWrites };

// kInFlight times 16 blocks a turn.
void RunPieces(benchmark::State& state, Pieces pieces, bool direct) {
  constexpr uint32_t kBlock = 4096;
  constexpr uint32_t kPieces = kWritePiecesMax;
  const bool one = pieces == Pieces::kOneBuffer;
  StorageIoOptions options = {.backend = IoBackend::kUring, .queue_depth = kInFlight * kPieces};
  options.buffer_bytes = one ? kBlock * kPieces : kBlock;
  options.buffers = one ? kInFlight : kInFlight * kPieces;
  OpenFile opened = MakeBenchFile(kFileBytes, direct);
  const std::unique_ptr<StorageIo> io = MakeStorage(options);
  const auto file = io->RegisterFile(opened);
  CHECK_OK(file.status());
  uint64_t at = 0;
  for (auto _ : state) {
    for (uint32_t i = 0; i < kInFlight; ++i) {
      if (one) {
        CHECK_OK(
            io->Write({.file = *file, .offset = FileOffset(at), .length = options.buffer_bytes},
                      Buffer(*io))
                .status());
      } else if (pieces == Pieces::kGather) {
        std::array<WritePiece, kPieces> gathered;
        for (WritePiece& piece : gathered) piece = {.buffer = Buffer(*io), .length = kBlock};
        CHECK_OK(
            io->WriteGather({.file = *file, .offset = FileOffset(at)}, absl::MakeSpan(gathered))
                .status());
      } else {
        for (uint32_t block = 0; block < kPieces; ++block) {
          CHECK_OK(io->Write({.file = *file,
                              .offset = FileOffset(at + uint64_t{block} * kBlock),
                              .length = kBlock},
                             Buffer(*io))
                       .status());
        }
      }
      at = (at + uint64_t{kBlock} * kPieces) % kFileBytes;
    }
    WaitForAll(*io);
  }
  state.SetItemsProcessed(state.iterations() * kInFlight);
}

// What the request that makes a pool larger by 4 MiB takes, the largest step there is; and the
// same for a request that finds a buffer.
void RunGrowth(benchmark::State& state, Want registered_buffers, bool grows) {
  StorageIoOptions options = {.backend = IoBackend::kUring, .buffers_idle_ms = 0};
  options.buffer_bytes = 1u << 20;
  options.buffers_max = kInFlight + 4;
  options.registered_buffers = registered_buffers;
  const std::unique_ptr<StorageIo> io = MakeStorage(options);
  std::array<Completion, 1> none;
  const uint32_t held = grows ? kInFlight : kInFlight - 1;
  for (auto _ : state) {
    state.PauseTiming();
    {
      std::vector<BufferLease> all;
      for (uint32_t i = 0; i < held; ++i) all.push_back(Buffer(*io));
      state.ResumeTiming();
      all.push_back(Buffer(*io));
      state.PauseTiming();
      CHECK_EQ(io->capabilities().buffers, grows ? options.buffers_max : kInFlight);
    }
    // The first look ends the time in which they were in use, the second one gives them back.
    for (int look = 0; look < 2; ++look) CHECK_EQ(io->Poll(absl::MakeSpan(none)), 0u);
    CHECK_EQ(io->capabilities().buffers, kInFlight);
    state.ResumeTiming();
  }
}

enum class Commit : uint8_t { kDsync, kDatasync };

// One block written and made durable a turn.
void RunCommits(benchmark::State& state, const StorageIoOptions& options, Commit method) {
  OpenFile opened = MakeBenchFile(kFileBytes, true);
  const std::unique_ptr<StorageIo> io = MakeStorage(options);
  const auto file = io->RegisterFile(opened);
  CHECK_OK(file.status());
  uint64_t at = 0;
  for (auto _ : state) {
    const WriteMode mode = method == Commit::kDsync ? WriteMode::kDsync : WriteMode::kPlain;
    CHECK_OK(io->Write({.file = *file, .offset = FileOffset(at), .length = 4096, .mode = mode},
                       Buffer(*io))
                 .status());
    WaitForAll(*io);
    if (method == Commit::kDatasync) {
      CHECK_OK(io->Sync({.file = *file}).status());
      WaitForAll(*io);
    }
    at = (at + 4096) % kFileBytes;
  }
  state.SetItemsProcessed(state.iterations());
}

// Two storages in turn, each with a file of its own.
void RunTwoPollers(benchmark::State& state, bool shared) {
  StorageIoOptions options = {.backend = IoBackend::kUring, .buffer_bytes = 4096};
  options.sqpoll = Want::kOn;
  if (shared) {
    auto poller = CreateSharedPoller();
    CHECK_OK(poller.status());
    options.shared_poller = *std::move(poller);
  }
  std::array<std::unique_ptr<StorageIo>, 2> storages;
  std::array<FileHandle, 2> files;
  for (size_t i = 0; i < 2; ++i) {
    OpenFile opened = MakeBenchFile(kFileBytes, true);
    storages[i] = MakeStorage(options);
    const auto file = storages[i]->RegisterFile(opened);
    CHECK_OK(file.status());
    files[i] = *file;
  }
  for (auto _ : state) {
    for (size_t i = 0; i < 2; ++i) {
      for (uint64_t block = 0; block < kInFlight; ++block) {
        CHECK_OK(storages[i]
                     ->Write({.file = files[i], .offset = FileOffset(block * 4096), .length = 4096},
                             Buffer(*storages[i]))
                     .status());
      }
      CHECK_OK(storages[i]->Submit());
    }
    for (const auto& io : storages) WaitForAll(*io);
  }
  state.SetItemsProcessed(state.iterations() * 2 * kInFlight);
}

void RunNops(benchmark::State& state, bool registered_ring_fd) {
  std::vector<std::string> reasons;
  auto ring = Ring::Create({.entries = 8}, &reasons);
  CHECK_OK(ring.status());
  if (!registered_ring_fd) CHECK_EQ(io_uring_unregister_ring_fd((*ring)->raw()), 1);
  for (auto _ : state) {
    io_uring_prep_nop((*ring)->Queue());
    CHECK_OK((*ring)->SubmitAndWait(1, kNever));
    CHECK_EQ((*ring)->Reap([](uint64_t, int32_t) {}), 1u);
  }
}

void Add(const std::string& name, std::function<void(benchmark::State&)> run) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(run))
      ->MeasureProcessCPUTime()
      ->UseRealTime()
      ->MinTime(0.1)
      ->Unit(benchmark::kMicrosecond);
}

constexpr struct {
  const char* name;
  Shape shape;
} kShapes[] = {{"read_4k_cached", {false, false, 4096}},
               {"write_4k_cached", {true, false, 4096}},
               {"read_64k_direct", {false, true, 64 << 10}},
               {"write_4k_direct", {true, true, 4096}},
               {"write_1m_direct", {true, true, 1 << 20}}};

StorageIoOptions RingOf(Want buffers, Want files) {
  return {.backend = IoBackend::kUring, .registered_buffers = buffers, .registered_files = files};
}

void AddFeatures() {
  for (const auto& [name, shape] : kShapes) {
    const auto add = [&, shape = shape, name = std::string(name)](
                         const char* group, const char* which, const StorageIoOptions& options,
                         const UringTuning& tuning = {}) {
      Add(std::string(group) + "/" + name + "/" + which,
          [=](benchmark::State& state) { RunTurns(state, options, tuning, shape); });
    };
    add("buffers", "registered", RingOf(Want::kOn, Want::kOn));
    add("buffers", "plain", RingOf(Want::kOff, Want::kOn));
    if (shape.bytes > 4096) continue;
    add("files", "registered", RingOf(Want::kOn, Want::kOn));
    add("files", "plain", RingOf(Want::kOn, Want::kOff));
    for (const RingMode mode :
         {RingMode::kPlain, RingMode::kCoopTaskrun, RingMode::kDeferTaskrun, RingMode::kSqpoll}) {
      StorageIoOptions options = RingOf(Want::kOn, Want::kOn);
      if (mode == RingMode::kSqpoll) options.sqpoll = Want::kOn;
      add("mode", std::string(RingModeName(mode)).c_str(), options, {.best = mode, .worst = mode});
    }
  }
}

void AddBuffers() {
  for (const auto& [name, shape] : kShapes) {
    if (!shape.direct || shape.bytes == 4096) continue;
    for (const Want registered : {Want::kOn, Want::kOff}) {
      const std::string row =
          absl::StrCat(name, registered == Want::kOn ? "/registered" : "/unregistered");
      for (const Want huge : {Want::kOff, Want::kAuto}) {
        StorageIoOptions options = RingOf(registered, Want::kOn);
        options.huge_pages = huge;
        Add(absl::StrCat("pages/", row, huge == Want::kOff ? "/ordinary" : "/huge"),
            [=, shape = shape](benchmark::State& state) { RunTurns(state, options, {}, shape); });
      }
      for (const bool grown : {false, true}) {
        StorageIoOptions options = RingOf(registered, Want::kOn);
        options.buffers = grown ? kInFlight / 4 : kInFlight;
        options.buffers_max = kInFlight;
        Add(absl::StrCat("pool/", row, grown ? "/grown" : "/as_made"),
            [=, shape = shape](benchmark::State& state) { RunTurns(state, options, {}, shape); });
      }
    }
  }
  for (const Want registered : {Want::kOn, Want::kOff}) {
    const char* const row = registered == Want::kOn ? "/registered" : "/unregistered";
    for (const bool grows : {true, false}) {
      Add(absl::StrCat("pool/acquire", row, grows ? "/grow_by_4m" : "/free_one"),
          [=](benchmark::State& state) { RunGrowth(state, registered, grows); });
    }
  }
}

void AddGathers() {
  for (const bool direct : {true, false}) {
    const std::string row = direct ? "gather/write_64k_direct" : "gather/write_64k_cached";
    Add(row + "/one_buffer",
        [=](benchmark::State& state) { RunPieces(state, Pieces::kOneBuffer, direct); });
    Add(row + "/gather_of_16",
        [=](benchmark::State& state) { RunPieces(state, Pieces::kGather, direct); });
    Add(row + "/16_writes",
        [=](benchmark::State& state) { RunPieces(state, Pieces::kSixteenWrites, direct); });
  }
}

void AddCommits() {
  const auto add = [](const std::string& name, const StorageIoOptions& options) {
    for (const Commit method : {Commit::kDsync, Commit::kDatasync}) {
      Add("commit/" + name + (method == Commit::kDsync ? "/dsync" : "/datasync"),
          [=](benchmark::State& state) { RunCommits(state, options, method); });
    }
  };
  add("posix", {.backend = IoBackend::kPosix});
  add("lone_by_syscall", {.backend = IoBackend::kUring});
  add("ring", {.backend = IoBackend::kUring, .lone_operation_by_syscall = false});
  add("sqpoll", {.backend = IoBackend::kUring, .sqpoll = Want::kOn});
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  corewal::AddDiskContext();
  benchmark::AddCustomContext("sync_method", "commit/ names it; elsewhere nothing is synced");
  corewal::AddFeatures();
  for (const bool registered : {true, false}) {
    corewal::Add(registered ? "ring_fd/nop/registered" : "ring_fd/nop/plain",
                 [=](benchmark::State& state) { corewal::RunNops(state, registered); });
  }
  for (const bool shared : {true, false}) {
    corewal::Add(shared ? "poller/two_storages/shared" : "poller/two_storages/own",
                 [=](benchmark::State& state) { corewal::RunTwoPollers(state, shared); });
  }
  corewal::AddBuffers();
  corewal::AddGathers();
  corewal::AddCommits();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
