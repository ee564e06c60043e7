#include "base/futex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace corewal {
namespace {

TEST(FutexTest, ReturnsAtOnceWhenTheWordIsNotWhatWasExpected) {
  const std::atomic<uint32_t> word{1};
  FutexWait(word, 0);
}

TEST(FutexTest, ReturnsAtTheDeadline) {
  const std::atomic<uint32_t> word{0};
  const MonotonicNs deadline = Clock::System().Now() + 2'000'000;
  while (Clock::System().Now() < deadline) FutexWait(word, 0, deadline);
}

TEST(FutexTest, WakesASleeper) {
  std::atomic<uint32_t> word{0};
  std::thread sleeper([&word] {
    while (word.load() == 0) FutexWait(word, 0);
  });
  word.store(1);
  FutexWake(word, 1);
  sleeper.join();
}

TEST(ClockTest, SleepUntilDoesNotReturnEarly) {
  const Clock& clock = Clock::System();
  const MonotonicNs when = clock.Now() + 1'000'000;
  clock.SleepUntil(when);
  EXPECT_GE(clock.Now(), when);
  clock.SleepUntil(0);  // has passed: returns
}

}  // namespace
}  // namespace corewal
