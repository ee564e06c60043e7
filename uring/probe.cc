#include "uring/probe.h"

#include <sys/utsname.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/string_view.h"
#include "uring/memlock.h"

namespace corewal {
namespace {

constexpr struct {
  int opcode;
  const char* name;
} kOpcodes[] = {
    {IORING_OP_WRITE, "WRITE"},
    {IORING_OP_READ, "READ"},
    {IORING_OP_WRITE_FIXED, "WRITE_FIXED"},
    {IORING_OP_READ_FIXED, "READ_FIXED"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_FALLOCATE, "FALLOCATE"},
};

std::vector<RingProbe::Opcode> ProbeOpcodes(Ring& ring) {
  std::vector<RingProbe::Opcode> opcodes;
  io_uring_probe* probe = io_uring_get_probe_ring(ring.raw());
  for (const auto& known : kOpcodes) {
    opcodes.push_back(
        {known.name, probe != nullptr && io_uring_opcode_supported(probe, known.opcode) != 0});
  }
  io_uring_free_probe(probe);
  return opcodes;
}

}  // namespace

std::string RingForbiddenByEnvironment() {
  const char* value = std::getenv("COREWAL_IO_URING");
  if (value == nullptr || absl::string_view(value) != "off") return "";
  return "io_uring is forbidden by COREWAL_IO_URING=off in the environment; unset it";
}

RingProbe ProbeRing() {
  RingProbe probe;
  utsname name;
  if (uname(&name) == 0) probe.kernel_release = name.release;
  const MemlockLimit memlock = ReadMemlockLimit();
  probe.memlock_bytes = memlock.bytes;
  probe.memlock_exempt = memlock.exempt;

  const std::string forbidden = RingForbiddenByEnvironment();
  for (const RingMode mode :
       {RingMode::kSqpoll, RingMode::kDeferTaskrun, RingMode::kCoopTaskrun, RingMode::kPlain}) {
    if (!forbidden.empty()) {
      probe.rungs.push_back({mode, false, forbidden});
      continue;
    }
    std::vector<std::string> reasons;
    auto ring = Ring::Create({.entries = 4, .best = mode, .worst = mode}, &reasons);
    const std::string reason = ring.ok() ? "" : std::string(ring.status().message());
    probe.rungs.push_back({mode, ring.ok(), reason});
    if (!ring.ok()) continue;
    if (!probe.allowed) probe.opcodes = ProbeOpcodes(**ring);
    probe.allowed = true;
  }
  if (!probe.allowed) probe.denial = probe.rungs.back().reason;
  return probe;
}

}  // namespace corewal
