// tests/sim/mutant_run.h: runs a simulator with its code broken in one way, until a seed fails.
//
//   child: PROGRAM --mutation=N --seeds=1000 --stop   ->  FAILED seed 17: LOST: the record at ...
//
// A process for each, since what a broken program does is anything: abort, or never end. So it has
// a limit of time, after which it is killed, by its own process id, and waited for.
// Thread: any.
#ifndef COREWAL_TESTS_SIM_MUTANT_RUN_H_
#define COREWAL_TESTS_SIM_MUTANT_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

namespace corewal {

struct MutantRun {
  std::string program;
  int mutation = 0;
  uint64_t seeds_max = 1000;
  int seconds_max = 120;
  std::vector<std::string> arguments = {};  // more of the program's
};

struct MutantOutcome {
  uint64_t seed = 0;        // the first that failed, counted from 1; 0: none did
  std::string how;          // the first line of its report
  bool timed_out = false;   // neither that nor all seeds in seconds_max
  bool ended_well = false;  // it ran to its end: exit code 0 or 1
};

// The program writes `FAILED seed N: WHAT` for the seed that fails.
MutantOutcome RunMutant(const MutantRun& run);

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_MUTANT_RUN_H_
