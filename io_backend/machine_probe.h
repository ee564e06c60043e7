// io_backend/machine_probe.h: what this machine grants to a StorageIo, in words, for tools to
// print.
#ifndef COREWAL_IO_BACKEND_MACHINE_PROBE_H_
#define COREWAL_IO_BACKEND_MACHINE_PROBE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace corewal {

struct MachineProbe {
  struct Item {
    std::string name;
    bool granted = false;
    std::string reason;  // why not; empty if granted
  };

  std::string kernel_release;     // "6.18.44"
  bool io_uring_allowed = false;  // COREWAL_IO_URING=off counts as not allowed
  std::string io_uring_denial;    // why not and what to change; empty if allowed
  std::vector<Item> ring_modes;   // sqpoll, defer_taskrun, coop_taskrun, plain
  std::vector<Item> opcodes;      // those that corewal uses
  std::string memlock_limit;      // "8388608 bytes", "unlimited", ...
  bool memlock_exempt = false;    // CAP_IPC_LOCK: registered buffers do not count
};

// Tries everything for real; takes a few milliseconds. Any thread.
MachineProbe ProbeMachine();

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_MACHINE_PROBE_H_
