#include "uring/buffer_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace corewal {
namespace {

constexpr uint32_t kPiece = 4096;
constexpr uint32_t kPieces = 40;

class BufferRingTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<std::string> reasons;
    auto ring = Ring::Create({.entries = 64}, &reasons);
    if (!ring.ok()) GTEST_SKIP() << ring.status();
    ring_ = *std::move(ring);
    auto buffers = BufferRing::Create(ring_.get(), &ids_, {.buffers = 4, .buffer_bytes = kPiece});
    if (absl::IsFailedPrecondition(buffers.status())) GTEST_SKIP() << buffers.status();
    ASSERT_TRUE(buffers.ok()) << buffers.status();
    buffers_ = *std::move(buffers);
    const char* const scratch = getenv("TEST_TMPDIR");
    path_ = std::string(scratch != nullptr ? scratch : testing::TempDir()) + "/ring.XXXXXX";
    fd_ = mkstemp(path_.data());
    ASSERT_GE(fd_, 0);
    for (uint32_t i = 0; i < kPieces; ++i) {
      const std::string piece(kPiece, static_cast<char>('A' + i));
      ASSERT_EQ(pwrite(fd_, piece.data(), kPiece, i * kPiece), kPiece);
    }
  }
  void TearDown() override {
    if (fd_ < 0) return;
    close(fd_);
    unlink(path_.c_str());
  }

  void QueueRead(uint32_t piece) {
    io_uring_sqe* const sqe = ring_->Queue();
    io_uring_prep_read(sqe, fd_, nullptr, kPiece, uint64_t{piece} * kPiece);
    buffers_->PickFor(sqe);
    sqe->user_data = piece;
  }
  std::vector<io_uring_cqe> Reap(size_t count) {
    std::vector<io_uring_cqe> cqes;
    while (cqes.size() < count) {
      const auto missing = static_cast<uint32_t>(count - cqes.size());
      EXPECT_TRUE(ring_->SubmitAndWait(missing, kNever).ok());
      ring_->ReapCqes([&](const io_uring_cqe& cqe) { cqes.push_back(cqe); });
    }
    return cqes;
  }
  static bool Holds(const BufferRing::Taken& taken, uint64_t piece) {
    return taken.bytes.size() == kPiece &&
           std::all_of(taken.bytes.begin(), taken.bytes.end(),
                       [&](std::byte b) { return b == static_cast<std::byte>('A' + piece); });
  }

  std::unique_ptr<Ring> ring_;
  BufferGroupIds ids_{16};
  std::unique_ptr<BufferRing> buffers_;
  std::string path_;
  int fd_ = -1;
};

TEST_F(BufferRingTest, FileIsReadInFewBuffersOverAndOver) {
  for (uint32_t piece = 0; piece < kPieces; piece += 4) {
    for (uint32_t i = 0; i < 4; ++i) QueueRead(piece + i);
    for (const io_uring_cqe& cqe : Reap(4)) {
      const auto taken = buffers_->Take(cqe);
      ASSERT_TRUE(taken.ok()) << taken.status();
      EXPECT_TRUE(Holds(*taken, cqe.user_data)) << cqe.user_data;
      buffers_->GiveBack(taken->index);
    }
  }
  EXPECT_EQ(buffers_->taken(), 0u);
}

TEST_F(BufferRingTest, ReadWithoutABufferIsTransientAndHarmsNoOther) {
  for (uint32_t piece = 0; piece < 6; ++piece) QueueRead(piece);
  std::map<uint64_t, BufferRing::Taken> held;
  std::vector<uint32_t> again;
  for (const io_uring_cqe& cqe : Reap(6)) {
    const auto taken = buffers_->Take(cqe);
    if (taken.ok()) {
      held[cqe.user_data] = *taken;
    } else {
      EXPECT_TRUE(absl::IsResourceExhausted(taken.status())) << taken.status();
      again.push_back(static_cast<uint32_t>(cqe.user_data));
    }
  }
  ASSERT_EQ(held.size(), 4u);
  ASSERT_EQ(again.size(), 2u);
  for (const auto& [piece, taken] : held) {
    EXPECT_TRUE(Holds(taken, piece));
    buffers_->GiveBack(taken.index);
  }
  for (const uint32_t piece : again) QueueRead(piece);
  for (const io_uring_cqe& cqe : Reap(2)) {
    const auto taken = buffers_->Take(cqe);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_TRUE(Holds(*taken, cqe.user_data));
    buffers_->GiveBack(taken->index);
  }
}

TEST_F(BufferRingTest, FailedReadKeepsNoBuffer) {
  const int good = std::exchange(fd_, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int round = 0; round < 8; ++round) {
    QueueRead(0);
    const auto taken = buffers_->Take(Reap(1)[0]);
    EXPECT_FALSE(taken.ok());
    EXPECT_FALSE(absl::IsResourceExhausted(taken.status())) << "a buffer was lost";
  }
  close(std::exchange(fd_, good));
  EXPECT_EQ(buffers_->taken(), 0u);
}

TEST_F(BufferRingTest, GroupsOfOneRingHaveDifferentIdsAndReturnThem) {
  auto second = BufferRing::Create(ring_.get(), &ids_, {.buffers = 1, .buffer_bytes = kPiece});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE((*second)->group(), buffers_->group());
  EXPECT_EQ(ids_.taken(), 2u);
  second->reset();
  EXPECT_EQ(ids_.taken(), 1u);
  for (int i = 0; i < 100; ++i) {
    const auto next =
        BufferRing::Create(ring_.get(), &ids_, {.buffers = 1, .buffer_bytes = kPiece});
    ASSERT_TRUE(next.ok()) << next.status();
  }
}

TEST_F(BufferRingTest, NoIdLeftIsTold) {
  BufferGroupIds one(1);
  const BufferGroupLease lease = *one.Lease();
  const auto refused =
      BufferRing::Create(ring_.get(), &one, {.buffers = 1, .buffer_bytes = kPiece});
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_NE(std::string(refused.status().message()).find("fixed buffers"), std::string::npos);
}

using BufferRingDeathTest = BufferRingTest;

TEST_F(BufferRingDeathTest, GivingBackTwiceIsABug) {
  QueueRead(0);
  const auto taken = buffers_->Take(Reap(1)[0]);
  ASSERT_TRUE(taken.ok());
  buffers_->GiveBack(taken->index);
  EXPECT_DEATH(buffers_->GiveBack(taken->index), "is not taken");
}

}  // namespace
}  // namespace corewal
