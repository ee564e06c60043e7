#include "tests/sim/simulation_run.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace corewal {
namespace {

struct Running {
  std::function<std::string()> trace;  // null: nothing runs
  uint64_t seed = 0;
  std::string arguments;
};
Running& Now() {
  static Running running;
  return running;
}
uint32_t seconds_max = 0;  // 0: no limit

std::string Report(const std::string& problem) {
  const Running& now = Now();
  return absl::StrCat("FAILED seed ", now.seed, ": ", problem, "\nthe last actions:\n", now.trace(),
                      "replay: bazel run --config=opt //tests/sim:simulate",
                      " -- --seed=", now.seed, now.arguments, "\n");
}

// Runs it; what there is to say if it failed.
template <typename Simulation>
std::string RunReported(Simulation* simulation, uint64_t seed, std::string arguments) {
  Now() = {[simulation] { return simulation->Trace(); }, seed, std::move(arguments)};
  alarm(seconds_max);
  const std::string problem = simulation->Run();
  alarm(0);
  std::string failure = problem.empty() ? "" : Report(problem);
  Now() = {};
  return failure;
}

const char* WhatEnds(int signal) {
  switch (signal) {
    case SIGABRT:
      return "aborted (see stderr)";
    case SIGALRM:
      return "hangs";
    default:
      return "crashed";
  }
}

// The process is lost anyhow; what it was doing is worth the risk of printing it.
void OnAbort(int signal) {
  std::signal(signal, SIG_DFL);
  if (Now().trace) {
    const std::string text = Report(WhatEnds(signal));
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
  std::string all_arguments = arguments;
  if (simulation.broken().has_value()) {
    absl::StrAppend(&all_arguments, " --broken=", std::string(SimFaultName(*simulation.broken())));
  }
  SimulationOutcome outcome;
  outcome.failure = RunReported(&simulation, seed, std::move(all_arguments));
  outcome.digest = simulation.Digest();
  outcome.totals = simulation.totals();
  return outcome;
}

EngineSimulationOutcome RunEngineSimulation(uint64_t seed, const std::string& arguments) {
  EngineSimulation simulation(seed);
  EngineSimulationOutcome outcome;
  outcome.failure = RunReported(&simulation, seed, absl::StrCat(" --engine", arguments));
  outcome.totals = simulation.totals();
  return outcome;
}

void ReportSimulationOnAbort(uint32_t seed_seconds_max) {
  seconds_max = seed_seconds_max;
  std::signal(SIGABRT, OnAbort);
  std::signal(SIGSEGV, OnAbort);
  std::signal(SIGALRM, OnAbort);
}

}  // namespace corewal
