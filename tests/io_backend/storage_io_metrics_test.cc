// Metrics of a storage (IoStats, IoLatencies), and what having them on costs: no allocation at all.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include "io_backend/shared_bytes.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace {

std::atomic<uint64_t> allocations = 0;

void* CountedAllocation(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t bytes) { return CountedAllocation(bytes); }
void* operator new[](size_t bytes) { return CountedAllocation(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace corewal {
namespace {

class StorageIoMetricsTest : public StorageIoTest {
 protected:
  // One turn of a loop that does everything there is, too much of it included.
  void Turn(FileHandle file) {
    for (uint32_t i = 0; i < 3; ++i) {
      auto lease = io().AcquireBuffer();
      ASSERT_TRUE(lease.ok());
      const WriteOp write = {.file = file,
                             .offset = FileOffset(i * kBlock),
                             .length = kBlock,
                             .mode = i == 0 ? WriteMode::kDsync : WriteMode::kPlain};
      ASSERT_TRUE(io().Write(write, *std::move(lease)).ok());
    }
    auto lease = io().AcquireBuffer();
    ASSERT_TRUE(lease.ok());
    EXPECT_FALSE(io().AcquireBuffer().ok()) << "there are four";
    ASSERT_TRUE(io().Read({.file = file, .length = kBlock}, *std::move(lease)).ok());
    ASSERT_TRUE(io().Sync({.file = file}).ok());
    EXPECT_FALSE(io().Sync({.file = file}).ok()) << "the queue holds five";
    ASSERT_TRUE(io().Submit().ok());
    for (size_t polled = 0; polled < 5;) {
      ASSERT_TRUE(io().Wait(static_cast<uint32_t>(5 - polled), kNever).ok());
      std::array<Completion, 5> out;
      const size_t count = io().Poll(absl::MakeSpan(out));
      for (size_t i = 0; i < count; ++i) EXPECT_EQ(out[i].error, 0);
      polled += count;
    }
    // Alone: by a plain system call, where that is on.
    ASSERT_TRUE(io().Sync({.file = file}).ok());
    ASSERT_TRUE(io().Wait(1, kNever).ok());
    std::array<Completion, 1> last;
    ASSERT_EQ(io().Poll(absl::MakeSpan(last)), 1u);
  }
  void RecreateSmall() {
    StorageIoOptions small = options();
    small.queue_depth = 5;
    small.buffers = 4;
    Recreate(small);
  }
};

TEST_P(StorageIoMetricsTest, SteadyStateAllocatesNothing) {
  RecreateSmall();
  const FileHandle file = Register(CreateFile("a"));
  for (int i = 0; i < 3; ++i) Turn(file);
  const uint64_t before = allocations.load();
  for (int i = 0; i < 50; ++i) Turn(file);
  EXPECT_EQ(allocations.load() - before, 0u) << "in 300 operations";
  const std::string counted(100, 'x');
  EXPECT_GT(allocations.load(), before) << "allocations are not counted at all";
}

// A pool that has grown; a write of two buffers and two reads into buffers of the storage's
// choosing, one of them shared.
TEST_P(StorageIoMetricsTest, SteadyStateOfAGrownPoolGathersAndSharesWithoutAllocating) {
  StorageIoOptions growing = options();
  growing.buffers = 1;
  growing.buffers_max = 4;
  Recreate(growing);
  const FileHandle file = Register(CreateFile("a"));
  const auto turn = [&] {
    std::array<WritePiece, 2> pieces;
    for (WritePiece& piece : pieces) {
      auto lease = io().AcquireBuffer();
      ASSERT_TRUE(lease.ok());
      piece = {.buffer = *std::move(lease), .length = kBlock};
    }
    ASSERT_TRUE(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).ok());
    for (uint32_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(io().ReadAny({.file = file, .length = kBlock}).ok());
    }
    ASSERT_TRUE(io().Submit().ok());
    for (size_t polled = 0; polled < 3;) {
      ASSERT_TRUE(io().Wait(static_cast<uint32_t>(3 - polled), kNever).ok());
      std::array<Completion, 3> out;
      const size_t count = io().Poll(absl::MakeSpan(out));
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(out[i].error, 0);
        if (out[i].kind != OpKind::kRead || !out[i].buffer) continue;
        const SharedBytes shared(std::move(out[i].buffer), out[i].bytes);
        const SharedBytes copy = shared;  // NOLINT(performance-unnecessary-copy-initialization)
      }
      polled += count;
    }
  };
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(io().stats().pool_growths, options().read_buffers == ReadBuffers::kRing ? 1u : 3u);
  const uint64_t before = allocations.load();
  for (int i = 0; i < 50; ++i) turn();
  EXPECT_EQ(allocations.load() - before, 0u) << "in 150 operations";
}

TEST_P(StorageIoMetricsTest, LatenciesCountEveryCompletionByKind) {
  RecreateSmall();
  const FileHandle file = Register(CreateFile("a"));
  const IoLatencies* const latencies = io().latencies();
  ASSERT_NE(latencies, nullptr);
  for (int i = 0; i < 10; ++i) Turn(file);
  ASSERT_OK(io().Preallocate({.file = file, .length = kBlock}).status());
  WaitFor(1);
  EXPECT_EQ(latencies->of(OpKind::kWrite).count(), 30u);
  EXPECT_EQ(latencies->of(OpKind::kRead).count(), 10u);
  EXPECT_EQ(latencies->of(OpKind::kSync).count(), 20u);
  EXPECT_EQ(latencies->of(OpKind::kPreallocate).count(), 1u);
  for (const OpKind kind : {OpKind::kWrite, OpKind::kRead, OpKind::kSync, OpKind::kPreallocate}) {
    const Histogram& histogram = latencies->of(kind);
    EXPECT_GT(histogram.min(), 0u) << OpKindName(kind);
    EXPECT_LT(histogram.max(), 60'000'000'000u) << OpKindName(kind);
  }
}

TEST_P(StorageIoMetricsTest, RefusalsAreCountedByTheirReason) {
  RecreateSmall();
  const FileHandle file = Register(CreateFile("a"));
  for (int i = 0; i < 10; ++i) Turn(file);
  const IoStats& stats = io().stats();
  EXPECT_EQ(stats.buffer_misses, 10u);
  EXPECT_EQ(stats.queue_full, 10u);
  EXPECT_EQ(stats.file_full, 0u);
  EXPECT_EQ(stats.completed, 60u);
  EXPECT_EQ(stats.cq_overflows, 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoMetricsTest, testing::ValuesIn(AllSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
