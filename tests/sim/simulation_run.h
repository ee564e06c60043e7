// tests/sim/simulation_run.h: runs simulations by seed and tells of each that fails: the seed, the
// last 50 actions, and the one command that replays it. Also when it aborts at a CHECK or hangs.
//
// Thread: one; a process runs one simulation at a time.
#ifndef COREWAL_TESTS_SIM_SIMULATION_RUN_H_
#define COREWAL_TESTS_SIM_SIMULATION_RUN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "io_backend/sim_faults.h"
#include "tests/sim/engine_simulation.h"
#include "tests/sim/wal_simulation.h"

namespace corewal {

std::optional<SimFault> ParseSimFault(absl::string_view name);

struct SimulationOutcome {
  std::string failure;  // empty: all well; else everything there is to say
  uint64_t digest = 0;
  WalSimulation::Totals totals;
};
// `arguments`: what the replay needs besides the seed, as " --broken=bit_rot".
SimulationOutcome RunSimulation(uint64_t seed, std::optional<SimFault> broken = std::nullopt,
                                const std::string& arguments = "");

struct EngineSimulationOutcome {
  std::string failure;
  EngineSimulation::Totals totals;
};
EngineSimulationOutcome RunEngineSimulation(uint64_t seed, const std::string& arguments = "");

// From now on a process that aborts says first which simulation it was in, and so does one whose
// simulation takes more than `seed_seconds_max` of real time, which ends the process.
void ReportSimulationOnAbort(uint32_t seed_seconds_max = 120);

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_SIMULATION_RUN_H_
