#include "base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace corewal {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

}  // namespace

void FutexWait(const std::atomic<uint32_t>& word, uint32_t expected, MonotonicNs deadline) {
  timespec until{deadline / 1'000'000'000, deadline % 1'000'000'000};
  // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline: futex(2).
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAIT_BITSET_PRIVATE, expected,
          deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void FutexWake(const std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr,
          nullptr, 0);
}

}  // namespace corewal
