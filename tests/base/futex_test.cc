#include "base/futex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

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

TEST(FutexTest, BitsChooseWhoIsWoken) {
  std::atomic<uint32_t> word{0};
  std::atomic<uint32_t> asleep{0};
  std::atomic<uint32_t> awake{0};
  std::vector<std::thread> sleepers;
  for (uint32_t bit = 0; bit < 3; ++bit) {
    sleepers.emplace_back([&, bit] {
      asleep.fetch_add(1);
      FutexWaitBits(word, 0, 1u << bit);
      awake.fetch_or(1u << bit);
    });
  }
  // A wake-up may come before the sleep: it is repeated until it was seen.
  while (asleep.load() < 3) std::this_thread::yield();
  while ((awake.load() & 0b101) != 0b101) FutexWakeBits(word, 0b101);
  while (awake.load() != 0b111) FutexWakeBits(word, 0b010);
  for (std::thread& sleeper : sleepers) sleeper.join();
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
