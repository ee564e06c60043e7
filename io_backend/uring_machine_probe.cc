#include "absl/strings/str_cat.h"
#include "io_backend/machine_probe.h"
#include "uring/probe.h"

namespace corewal {

MachineProbe ProbeMachine() {
  const RingProbe ring = ProbeRing();
  MachineProbe machine;
  machine.kernel_release = ring.kernel_release;
  machine.io_uring_allowed = ring.allowed;
  machine.io_uring_denial = ring.denial;
  for (const RingProbe::Rung& rung : ring.rungs) {
    machine.ring_modes.push_back({std::string(RingModeName(rung.mode)), rung.granted, rung.reason});
  }
  for (const RingProbe::Opcode& opcode : ring.opcodes) {
    machine.opcodes.push_back(
        {opcode.name, opcode.supported, opcode.supported ? "" : "not in this kernel"});
  }
  machine.memlock_limit =
      ring.memlock_bytes == UINT64_MAX ? "unlimited" : absl::StrCat(ring.memlock_bytes, " bytes");
  machine.memlock_exempt = ring.memlock_exempt;
  return machine;
}

}  // namespace corewal
