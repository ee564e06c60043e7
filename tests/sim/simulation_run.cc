#include "tests/sim/simulation_run.h"

#include <csignal>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace corewal {
namespace {

struct Running {
  const WalSimulation* simulation = nullptr;
  uint64_t seed = 0;
  std::string arguments;
};
Running& Now() {
  static Running running;
  return running;
}

std::string Report(const std::string& problem) {
  const Running& now = Now();
  std::string arguments = now.arguments;
  if (now.simulation->broken().has_value()) {
    absl::StrAppend(&arguments, " --broken=", std::string(SimFaultName(*now.simulation->broken())));
  }
  return absl::StrCat("FAILED seed ", now.seed, ": ", problem, "\nthe last actions:\n",
                      now.simulation->Trace(),
                      "replay: bazel run --config=opt //tests/sim:simulate",
                      " -- --seed=", now.seed, arguments, "\n");
}

// The process is lost anyhow; what it was doing is worth the risk of printing it.
void OnAbort(int signal) {
  std::signal(signal, SIG_DFL);
  if (Now().simulation != nullptr) {
    const std::string text = Report(signal == SIGABRT ? "aborted (see stderr)" : "crashed");
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  std::raise(signal);
}

}  // namespace

std::optional<SimFault> ParseSimFault(absl::string_view name) {
  for (size_t i = 0; i < kSimFaults; ++i) {
    if (SimFaultName(static_cast<SimFault>(i)) == name) return static_cast<SimFault>(i);
  }
  return std::nullopt;
}

SimulationOutcome RunSimulation(uint64_t seed, std::optional<SimFault> broken,
                                const std::string& arguments) {
  WalSimulation simulation(seed, broken);
  Now() = {&simulation, seed, arguments};
  SimulationOutcome outcome;
  const std::string problem = simulation.Run();
  if (!problem.empty()) outcome.failure = Report(problem);
  outcome.digest = simulation.Digest();
  outcome.totals = simulation.totals();
  Now() = {};
  return outcome;
}

void ReportSimulationOnAbort() {
  std::signal(SIGABRT, OnAbort);
  std::signal(SIGSEGV, OnAbort);
}

}  // namespace corewal
