// uring/probe.h: what this kernel, this process and its limits grant, found by trying it.
//
// Rungs are set up and torn down for real: version numbers prove nothing where a vendor backports
// or a container filters.
#ifndef COREWAL_URING_PROBE_H_
#define COREWAL_URING_PROBE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "uring/ring.h"

namespace corewal {

struct RingProbe {
  struct Rung {
    RingMode mode;
    bool granted;
    std::string reason;  // why not; empty if granted
  };
  struct Opcode {
    const char* name;
    bool supported;
  };

  std::string kernel_release;   // "6.18.44"
  bool allowed = false;         // some rung is granted
  std::string denial;           // why not, and the remedy; empty if allowed
  std::vector<Rung> rungs;      // all four
  std::vector<Opcode> opcodes;  // those that corewal uses; empty if not allowed
  uint64_t memlock_bytes = 0;   // RLIMIT_MEMLOCK, UINT64_MAX: unlimited
  bool memlock_exempt = false;  // CAP_IPC_LOCK: registered buffers do not count
};

// Any thread. Takes under a millisecond without sqpoll's thread, a few with it.
RingProbe ProbeRing();

// What COREWAL_IO_URING=off in the environment says; empty if it does not forbid.
std::string RingForbiddenByEnvironment();

}  // namespace corewal

#endif  // COREWAL_URING_PROBE_H_
