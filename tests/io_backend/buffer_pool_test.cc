#include "io_backend/buffer_pool.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COREWAL_TEST_ASAN 1
#endif
#endif

namespace corewal {
namespace {

std::unique_ptr<BufferPool> MakePool(uint32_t buffers) {
  auto pool = BufferPool::Create(buffers, 4096);
  EXPECT_TRUE(pool.ok()) << pool.status();
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

TEST(BufferPoolTest, LendsPreferredBuffersFirst) {
  const auto pool = MakePool(4);
  pool->PreferBelow(2);
  BufferLease leases[4];
  for (BufferLease& lease : leases) lease = *pool->Acquire();
  EXPECT_LT(leases[0].index(), 2u);
  EXPECT_LT(leases[1].index(), 2u);
  EXPECT_GE(leases[2].index(), 2u);
  EXPECT_FALSE(pool->Acquire().has_value());
  leases[3].Return();
  leases[0].Return();
  EXPECT_EQ(pool->free(), 2u);
  EXPECT_LT(pool->Acquire()->index(), 2u) << "although the other came home earlier";
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

#if defined(__SANITIZE_ADDRESS__) || defined(COREWAL_TEST_ASAN)
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
