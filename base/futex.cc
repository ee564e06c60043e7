#include "base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace corewal {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

}  // namespace

void FutexWait(const std::atomic<uint32_t>& word, uint32_t expected, MonotonicNs deadline) {
  FutexWaitBits(word, expected, FUTEX_BITSET_MATCH_ANY, deadline);
}

void FutexWaitBits(const std::atomic<uint32_t>& word, uint32_t expected, uint32_t bits,
                   MonotonicNs deadline) {
  timespec until{deadline / 1'000'000'000, deadline % 1'000'000'000};
  // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC deadline: futex(2).
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAIT_BITSET_PRIVATE, expected,
          deadline == kNever ? nullptr : &until, nullptr, bits);
}

void FutexWake(const std::atomic<uint32_t>& word, int count) {
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr,
          nullptr, 0);
}

void FutexWakeBits(const std::atomic<uint32_t>& word, uint32_t bits) {
  syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), FUTEX_WAKE_BITSET_PRIVATE, INT_MAX,
          nullptr, nullptr, bits);
}

}  // namespace corewal
