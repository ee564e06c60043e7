#include "uring/shared_poller.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace corewal {
namespace {

// Threads of the kernel that poll for this process. A poller has its name once it has run.
int Pollers() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (name.starts_with("iou-sqp")) ++count;
  }
  return count;
}

absl::StatusOr<std::unique_ptr<Ring>> Attach(const SharedPoller& poller) {
  std::vector<std::string> reasons;
  return Ring::Create({.entries = 8,
                       .best = RingMode::kSqpoll,
                       .worst = RingMode::kSqpoll,
                       .sqpoll_idle_ms = 1,
                       .poller_of_ring_fd = poller.ring_fd()},
                      &reasons);
}

void ExpectWorks(Ring& ring) {
  io_uring_sqe* const sqe = ring.Queue();
  io_uring_prep_nop(sqe);
  sqe->user_data = 42;
  ASSERT_TRUE(ring.SubmitAndWait(1, kNever).ok());
  EXPECT_EQ(ring.Reap([](uint64_t user_data, int32_t) { EXPECT_EQ(user_data, 42u); }), 1u);
}

void AwaitSleep(Ring& ring) {  // bounded by the test's own time limit
  while ((IO_URING_READ_ONCE(*ring.raw()->sq.kflags) & IORING_SQ_NEED_WAKEUP) == 0) sched_yield();
}

class SharedPollerTest : public testing::Test {
 protected:
  void SetUp() override {
    while (Pollers() > 0) sched_yield();  // of the test before; bounded by the test's time limit
    auto poller = SharedPoller::Create(1, -1);
    if (!poller.ok()) GTEST_SKIP() << poller.status();
    poller_ = *std::move(poller);
  }
  std::shared_ptr<const SharedPoller> poller_;
};

TEST_F(SharedPollerTest, OneThreadServesTheRingsOfManyThreads) {
  std::vector<std::thread> owners;
  owners.reserve(4);
  for (int i = 0; i < 4; ++i) {
    owners.emplace_back([this] {
      auto ring = Attach(*poller_);
      ASSERT_TRUE(ring.ok()) << ring.status();
      for (int round = 0; round < 50; ++round) ExpectWorks(**ring);
      EXPECT_EQ(Pollers(), 1);
    });
  }
  for (std::thread& owner : owners) owner.join();
}

TEST_F(SharedPollerTest, RingOfItsOwnHasAThreadOfItsOwn) {
  std::vector<std::string> reasons;
  const auto ring = Ring::Create({.best = RingMode::kSqpoll, .worst = RingMode::kSqpoll}, &reasons);
  ASSERT_TRUE(ring.ok()) << ring.status();
  const auto attached = Attach(*poller_);
  ASSERT_TRUE(attached.ok()) << attached.status();
  ExpectWorks(**ring);
  ExpectWorks(**attached);
  EXPECT_EQ(Pollers(), 2) << "or counting proves nothing";
}

TEST_F(SharedPollerTest, SleepingPollerIsWokenByEachOfItsRings) {
  auto first = Attach(*poller_);
  auto second = Attach(*poller_);
  ASSERT_TRUE(first.ok() && second.ok());
  for (int round = 0; round < 10; ++round) {
    AwaitSleep(**first);
    ExpectWorks(**first);
    AwaitSleep(**second);
    ExpectWorks(**second);
  }
}

TEST_F(SharedPollerTest, PollerServesItsRingsAfterTheHandleIsGone) {
  auto first = Attach(*poller_);
  auto second = Attach(*poller_);
  ASSERT_TRUE(first.ok() && second.ok());
  poller_.reset();
  ExpectWorks(**first);
  first->reset();
  ExpectWorks(**second);
}

TEST_F(SharedPollerTest, RingMadeInAChildGetsAPollerOfItsOwn) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto ring = Attach(*poller_);
    if (!ring.ok()) _exit(2);
    ExpectWorks(**ring);
    _exit(HasFailure() || Pollers() != 1 ? 1 : 0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  auto ring = Attach(*poller_);
  ASSERT_TRUE(ring.ok());
  ExpectWorks(**ring);
}

}  // namespace
}  // namespace corewal
