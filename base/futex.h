// base/futex.h: futex(2) on an atomic word, private to the process, with a deadline.
//
// std::atomic::wait has no deadline and spins first, which on few cores takes time from the thread
// that is being waited for.
#ifndef COREWAL_BASE_FUTEX_H_
#define COREWAL_BASE_FUTEX_H_

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace corewal {

// Sleeps while `word` holds `expected`, until FutexWake or `deadline` (CLOCK_MONOTONIC; kNever:
// none). May return for no reason: look at the word again.
void FutexWait(const std::atomic<uint32_t>& word, uint32_t expected, MonotonicNs deadline = kNever);

// The same; `bits`, not 0, say whom FutexWakeBits wakes.
void FutexWaitBits(const std::atomic<uint32_t>& word, uint32_t expected, uint32_t bits,
                   MonotonicNs deadline = kNever);

// Wakes up to `count` sleepers on `word`.
void FutexWake(const std::atomic<uint32_t>& word, int count);

// Wakes all sleepers on `word` that share a bit with `bits`, not 0.
void FutexWakeBits(const std::atomic<uint32_t>& word, uint32_t bits);

}  // namespace corewal

#endif  // COREWAL_BASE_FUTEX_H_
