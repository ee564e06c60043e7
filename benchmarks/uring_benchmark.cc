// benchmarks/uring_benchmark.cc: reading a file in sequence, on the disk of the current directory.
//
//   BM_PRead        one pread(2) after the other
//   BM_ReadFixed    eight READ_FIXED in flight on one ring, each into its registered buffer
//   BM_BufferRing   eight READ in flight that pick from a ring of eight provided buffers
//
// direct:1 opens with O_DIRECT and reads the device; direct:0 reads what the page cache holds.
// Compare CPU as well as time: bytes_per_second is by wall clock.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/aligned_memory.h"
#include "base/check.h"
#include "benchmarks/bench_disk.h"
#include "uring/buffer_ring.h"
#include "uring/fixed_buffers.h"
#include "uring/ring.h"

namespace corewal {
namespace {

constexpr uint32_t kInFlight = 8;
constexpr uint64_t kFileBytes = 64u << 20;

AlignedMemory Memory(uint64_t bytes) {
  auto memory = AlignedMemory::Allocate(bytes);
  CHECK(memory.ok());
  return *std::move(memory);
}

std::unique_ptr<Ring> MakeRing() {
  std::vector<std::string> reasons;
  auto ring = Ring::Create({.entries = kInFlight}, &reasons);
  CHECK(ring.ok()) << std::string(ring.status().message());
  return *std::move(ring);
}

void Report(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kFileBytes));
}

void BM_PRead(benchmark::State& state) {
  const OpenFile file = MakeBenchFile(kFileBytes, state.range(0) != 0);
  const auto bytes = static_cast<uint32_t>(state.range(1));
  const AlignedMemory memory = Memory(bytes);
  for (auto _ : state) {
    for (uint64_t at = 0; at < kFileBytes; at += bytes) {
      CHECK_EQ(pread(file.fd(), memory.data(), bytes, static_cast<off_t>(at)),
               static_cast<ssize_t>(bytes));
    }
  }
  Report(state);
}

// Reads the file once with kInFlight reads under way. `queue(at, slot)` queues one, `take(cqe)`
// checks it, and returns the slot that is free again.
template <typename Queue, typename Take>
void ReadThrough(Ring& ring, uint32_t bytes, Queue queue, Take take) {
  uint64_t next = 0, done = 0;
  for (uint32_t slot = 0; slot < kInFlight; ++slot, next += bytes) queue(next, slot);
  while (done < kFileBytes) {
    CHECK(ring.SubmitAndWait(1, kNever).ok());
    ring.ReapCqes([&](const io_uring_cqe& cqe) {
      const uint32_t slot = take(cqe);
      done += bytes;
      if (next == kFileBytes) return;
      queue(next, slot);
      next += bytes;
    });
  }
}

void BM_ReadFixed(benchmark::State& state) {
  const OpenFile file = MakeBenchFile(kFileBytes, state.range(0) != 0);
  const auto bytes = static_cast<uint32_t>(state.range(1));
  const std::unique_ptr<Ring> ring = MakeRing();
  const AlignedMemory memory = Memory(uint64_t{kInFlight} * bytes);
  const auto address = [&](uint32_t slot) { return memory.data() + uint64_t{slot} * bytes; };
  std::vector<iovec> buffers;
  for (uint32_t i = 0; i < kInFlight; ++i) buffers.push_back({address(i), bytes});
  CHECK(RegisterFixedBuffers(*ring, buffers).ok());
  for (auto _ : state) {
    ReadThrough(
        *ring, bytes,
        [&](uint64_t at, uint32_t slot) {
          io_uring_sqe* const sqe = ring->Queue();
          io_uring_prep_read_fixed(sqe, file.fd(), address(slot), bytes, at,
                                   static_cast<int>(slot));
          sqe->user_data = slot;
        },
        [&](const io_uring_cqe& cqe) {
          CHECK_EQ(cqe.res, static_cast<int>(bytes));
          return static_cast<uint32_t>(cqe.user_data);
        });
  }
  Report(state);
}

void BM_BufferRing(benchmark::State& state) {
  const OpenFile file = MakeBenchFile(kFileBytes, state.range(0) != 0);
  const auto bytes = static_cast<uint32_t>(state.range(1));
  const std::unique_ptr<Ring> ring = MakeRing();
  BufferGroupIds ids(1);
  auto created =
      BufferRing::Create(ring.get(), &ids, {.buffers = kInFlight, .buffer_bytes = bytes});
  CHECK(created.ok()) << std::string(created.status().message());
  BufferRing& buffers = **created;
  for (auto _ : state) {
    ReadThrough(
        *ring, bytes,
        [&](uint64_t at, uint32_t) {
          io_uring_sqe* const sqe = ring->Queue();
          io_uring_prep_read(sqe, file.fd(), nullptr, bytes, at);
          buffers.PickFor(sqe);
        },
        [&](const io_uring_cqe& cqe) {
          const auto taken = buffers.Take(cqe);
          CHECK(taken.ok() && taken->bytes.size() == bytes);
          buffers.GiveBack(taken->index);
          return uint32_t{0};
        });
  }
  Report(state);
}

void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"direct", "bytes"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int direct : {0, 1}) {
    for (const int bytes : {4096, 65536}) benchmark->Args({direct, bytes});
  }
}
BENCHMARK(BM_PRead)->Apply(Shapes);
BENCHMARK(BM_ReadFixed)->Apply(Shapes);
BENCHMARK(BM_BufferRing)->Apply(Shapes);

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  corewal::AddDiskContext();
  benchmark::AddCustomContext("backend", "one ring, or pread");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
