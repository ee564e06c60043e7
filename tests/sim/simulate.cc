// simulate: runs log simulations, one after the other.
//
//   simulate --seed=17                        replays one
//   simulate --first_seed=1 --seeds=1000      a thousand
//   simulate --first_seed=1 --seconds=60      as many as there is time for
//   ... --broken=lying_sync                   on a device that breaks its promises
//   ... --engine                              of an engine with several shards, not of one log
//   ... --mutation=3                          with the code broken (simulate_mutated only)
//   ... --seed_seconds=10                     a simulation that takes longer hangs; 120 by default
//
// Every failing seed is reported and the run goes on; --stop ends it there. The last line is
// `N seeds, N failed, next seed N`. Exit 0: none failed.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/mutation.h"
#include "tests/sim/simulation_run.h"

namespace corewal {
namespace {

struct Arguments {
  uint64_t first_seed = 1;
  uint64_t seeds = 1;
  uint64_t seconds = 0;
  std::optional<SimFault> broken;
  std::string for_replay;
  uint32_t seed_seconds = 120;
  bool engine = false;
  bool stop = false;
  bool progress = false;
};

bool Take(absl::string_view text, Arguments* arguments) {
  uint64_t number = 0;
  const auto is = [&](absl::string_view name) {
    absl::string_view rest = text;
    return absl::ConsumePrefix(&rest, name) && absl::SimpleAtoi(rest, &number);
  };
  if (is("--seed=")) {
    arguments->first_seed = number;
  } else if (is("--first_seed=")) {
    arguments->first_seed = number;
  } else if (is("--seeds=")) {
    arguments->seeds = number;
  } else if (is("--seconds=")) {
    arguments->seconds = number;
    arguments->seeds = UINT64_MAX;
  } else if (is("--seed_seconds=")) {
    arguments->seed_seconds = static_cast<uint32_t>(number);
  } else if (text == "--engine") {
    arguments->engine = true;
  } else if (text == "--stop") {
    arguments->stop = true;
  } else if (text == "--progress") {
    arguments->progress = true;
  } else if (absl::ConsumePrefix(&text, "--broken=")) {
    arguments->broken = ParseSimFault(text);
    return arguments->broken.has_value();
#ifdef COREWAL_MUTATIONS
  } else if (is("--mutation=")) {
    SetMutation(static_cast<Mutation>(number));
    arguments->for_replay = absl::StrCat(" --mutation=", number);
#endif
  } else {
    return false;
  }
  return true;
}

struct Totals {
  WalSimulation::Totals log;
  EngineSimulation::Totals engine;
};

// What there is to say if it failed.
std::string RunOne(uint64_t seed, const Arguments& arguments, Totals* totals) {
  if (arguments.engine) {
    const EngineSimulationOutcome outcome = RunEngineSimulation(seed, arguments.for_replay);
    totals->engine.Add(outcome.totals);
    return outcome.failure;
  }
  const SimulationOutcome outcome = RunSimulation(seed, arguments.broken, arguments.for_replay);
  totals->log.Add(outcome.totals);
  return outcome.failure;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    if (Take(argv[i], &arguments)) continue;
    std::fprintf(stderr, "simulate: %s is no argument; see the head of tests/sim/simulate.cc\n",
                 argv[i]);
    return 1;
  }
  ReportSimulationOnAbort(arguments.seed_seconds);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(arguments.seconds);
  Totals totals;
  uint64_t done = 0, failed = 0;
  while (done < arguments.seeds) {
    if (arguments.seconds > 0 && std::chrono::steady_clock::now() >= end) break;
    const uint64_t seed = arguments.first_seed + done++;
    const std::string failure = RunOne(seed, arguments, &totals);
    if (!failure.empty()) {
      ++failed;
      std::printf("%s", failure.c_str());
      if (arguments.stop) break;
    }
    if (arguments.progress && done % 100 == 0) {
      std::printf("progress %llu\n", static_cast<unsigned long long>(done));
      std::fflush(stdout);
    }
  }
  const uint64_t next = arguments.first_seed + done;
  std::printf("%s\n%llu seeds, %llu failed, next seed %llu\n",
              (arguments.engine ? totals.engine.ToString() : totals.log.ToString()).c_str(),
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(next));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::Main(argc, argv); }
