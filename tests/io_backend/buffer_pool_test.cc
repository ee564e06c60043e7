#include "io_backend/buffer_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io_backend/shared_bytes.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COREWAL_TEST_ASAN 1
#endif
#endif

namespace corewal {
namespace {

std::unique_ptr<BufferPool> MakePool(uint32_t buffers, uint32_t buffers_max = 0,
                                     uint32_t ring_buffers = 0) {
  StorageIoOptions options;
  options.buffers = buffers;
  options.buffers_max = buffers_max;
  options.buffer_bytes = 4096;
  std::vector<std::string> reasons;
  auto pool = BufferPool::Create(options, ring_buffers, &reasons);
  EXPECT_TRUE(pool.ok()) << pool.status();
  EXPECT_TRUE(reasons.empty());
  return *std::move(pool);
}

TEST(BufferPoolTest, LendsEachBufferOnce) {
  const auto pool = MakePool(2);
  BufferLease first = *pool->Acquire();
  BufferLease second = *pool->Acquire();
  EXPECT_NE(first.index(), second.index());
  EXPECT_EQ(first.data(), pool->address(first.index()));
  EXPECT_FALSE(pool->Acquire().has_value());
  first.Return();
  EXPECT_FALSE(first);
  EXPECT_EQ(pool->free(), 1u);
}

TEST(BufferPoolTest, LendsTheLowestFirst) {
  const auto pool = MakePool(300);
  std::vector<BufferLease> leases;
  for (uint32_t i = 0; i < 300; ++i) {
    leases.push_back(*pool->Acquire());
    ASSERT_EQ(leases.back().index(), i);
  }
  EXPECT_FALSE(pool->Acquire().has_value());
  for (const uint32_t i : {299u, 64u, 63u, 130u}) leases[i].Return();
  EXPECT_EQ(pool->free(), 4u);
  std::vector<BufferLease> again;
  for (const uint32_t i : {63u, 64u, 130u, 299u}) {
    again.push_back(*pool->Acquire());
    EXPECT_EQ(again.back().index(), i) << "although others came home earlier";
  }
}

TEST(BufferPoolTest, OwnsOnlyItsOwnLentBuffers) {
  const auto pool = MakePool(1);
  const auto other = MakePool(1);
  const BufferLease lease = *pool->Acquire();
  EXPECT_TRUE(pool->Owns(lease));
  EXPECT_FALSE(other->Owns(lease));
  EXPECT_FALSE(pool->Owns(BufferLease()));
  pool->Launch(lease);
  EXPECT_FALSE(pool->Owns(lease)) << "in flight";
  pool->Land(lease);
  EXPECT_TRUE(pool->Owns(lease));
}

// The pool is made inside: a forked child does nothing with its parent's.
TEST(BufferPoolDeathTest, BufferInFlightIsNotReturned) {
  EXPECT_DEATH(
      {
        const auto pool = MakePool(1);
        BufferLease lease = *pool->Acquire();
        pool->Launch(lease);
        lease.Return();
      },
      "buffer 0 from state 2 to 0");
}

TEST(BufferPoolDeathTest, EdgesThatDoNotExistAreBugs) {
  const auto pool = MakePool(1);
  const BufferLease lease = *pool->Acquire();
  EXPECT_DEATH(pool->Land(lease), "from state 1 to 1");
  pool->Launch(lease);
  EXPECT_DEATH(pool->Launch(lease), "from state 2 to 2");
  pool->Land(lease);
}

TEST(BufferPoolDeathTest, LeaseThatOutlivesThePoolIsABug) {
  EXPECT_DEATH(
      {
        auto pool = MakePool(1);
        const BufferLease lease = *pool->Acquire();
        pool.reset();
      },
      "leases outlive");
}

TEST(BufferPoolDeathTest, SharedBytesThatOutliveThePoolAreABug) {
  EXPECT_DEATH(
      {
        auto pool = MakePool(1);
        SharedBytes first(*pool->Acquire(), 100);
        const SharedBytes second = first.Slice(10, 10);
        first = SharedBytes();
        pool.reset();
      },
      "leases outlive");
}

TEST(BufferPoolDeathTest, BufferInUseDoesNotLeaveWithTheOthers) {
  EXPECT_DEATH(
      {
        const auto pool = MakePool(1, 4);
        ASSERT_TRUE(pool->Grow(4).ok());
        pool->FreeNew();
        std::vector<BufferLease> leases;
        for (int i = 0; i < 4; ++i) leases.push_back(*pool->Acquire());
        leases[3].Return();
        EXPECT_EQ(pool->CanShrinkTo(1), 3u);
        pool->Shrink(1);
      },
      "a buffer that leaves is in use");
}

TEST(BufferPoolTest, ReturningTheFirstOfAChainReturnsAll) {
  const auto pool = MakePool(4);
  BufferLease first = *pool->Acquire();
  pool->Chain(first, *pool->Acquire());
  pool->Chain(first, *pool->Acquire());
  pool->Launch(first);
  EXPECT_EQ(pool->free(), 1u);
  pool->Land(first);
  BufferLease rest = first.TakeNext();
  EXPECT_EQ(rest.index(), 1u);
  first.Return();
  EXPECT_EQ(pool->free(), 2u) << "the others were taken off";
  rest.Return();
  EXPECT_EQ(pool->free(), 4u);
}

TEST(BufferPoolTest, RingBuffersAreTheKernelsOrLentAndNeverAcquired) {
  const auto pool = MakePool(1, 0, 2);
  EXPECT_EQ(pool->Provide(), 0u);
  EXPECT_EQ(pool->Provide(), 1u);
  EXPECT_FALSE(pool->Provide().has_value());
  BufferLease picked = pool->TakePicked(1);
  pool->Land(picked);
  EXPECT_EQ(picked.data(), pool->ring_memory() + 4096);
  picked.data()[0] = std::byte{1};
  EXPECT_TRUE(pool->Owns(picked));
  picked.Return();
  EXPECT_EQ(pool->free(), 1u) << "not with those to acquire";
  EXPECT_EQ(pool->Provide(), 1u);
  pool->TakeBack(0);
  pool->TakeBack(1);
}

#if defined(__SANITIZE_ADDRESS__) || defined(COREWAL_TEST_ASAN)
TEST(BufferPoolDeathTest, TouchingASharedBufferAfterTheLastReferenceIsReported) {
  EXPECT_DEATH(
      {
        const auto pool = MakePool(1);
        SharedBytes shared(*pool->Acquire(), 100);
        const volatile std::byte* const data = shared.data();
        shared = SharedBytes();
        (void)data[0];
      },
      "use-after-poison");
}

TEST(BufferPoolDeathTest, TouchingABufferInFlightIsReported) {
  EXPECT_DEATH(
      {
        const auto pool = MakePool(1);
        const BufferLease lease = *pool->Acquire();
        lease.data()[0] = std::byte{1};
        pool->Launch(lease);
        lease.data()[0] = std::byte{2};
      },
      "use-after-poison");
}

TEST(BufferPoolDeathTest, TouchingAFreeBufferIsReported) {
  EXPECT_DEATH(
      {
        const auto pool = MakePool(1);
        pool->address(0)[0] = std::byte{3};
      },
      "use-after-poison");
}

TEST(BufferPoolTest, LandedBufferMayBeTouched) {
  const auto pool = MakePool(1);
  const BufferLease lease = *pool->Acquire();
  pool->Launch(lease);
  pool->Land(lease);
  lease.data()[0] = std::byte{1};
  EXPECT_EQ(lease.data()[0], std::byte{1});
}
#endif

}  // namespace
}  // namespace corewal
