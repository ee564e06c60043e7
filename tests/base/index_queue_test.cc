#include "base/index_queue.h"

#include <gtest/gtest.h>

namespace corewal {
namespace {

TEST(IndexQueueTest, KeepsOrderWhileItWrapsAround) {
  IndexQueue queue(3);
  uint32_t pushed = 0, popped = 0;
  queue.Push(pushed++);
  queue.Push(pushed++);
  for (int i = 0; i < 100; ++i) {
    queue.Push(pushed++);
    EXPECT_EQ(queue.size(), 3u);
    EXPECT_EQ(queue.Front(), popped);
    EXPECT_EQ(queue.Pop(), popped++);
  }
}

TEST(IndexQueueDeathTest, OverflowAndUnderflowAreBugs) {
  IndexQueue queue(1);
  EXPECT_DEATH(queue.Pop(), "check failed");
  queue.Push(1);
  EXPECT_DEATH(queue.Push(2), "check failed");
}

}  // namespace
}  // namespace corewal
