// uring/memlock.h: how much memory this process may pin for its rings.
//
// Registered buffers, and on some kernels the rings themselves, count against RLIMIT_MEMLOCK, over
// all processes of the user (getrlimit(2), io_uring_register(2)).
#ifndef COREWAL_URING_MEMLOCK_H_
#define COREWAL_URING_MEMLOCK_H_

#include <cstdint>

namespace corewal {

struct MemlockLimit {
  uint64_t bytes = 0;   // RLIMIT_MEMLOCK; UINT64_MAX: unlimited
  bool exempt = false;  // CAP_IPC_LOCK: nothing counts

  // What one ring's buffers may take of it: all but an eighth, which stays for the rings
  // themselves. A ring that found the limit used up could not be set up at all.
  uint64_t budget_bytes() const {
    return exempt || bytes == UINT64_MAX ? UINT64_MAX : bytes - bytes / 8;
  }
};

// Any thread.
MemlockLimit ReadMemlockLimit();

}  // namespace corewal

#endif  // COREWAL_URING_MEMLOCK_H_
