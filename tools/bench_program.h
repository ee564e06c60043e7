// tools/bench_program.h: wal-bench behind its command line: runs, reports, cleans up.
#ifndef COREWAL_TOOLS_BENCH_PROGRAM_H_
#define COREWAL_TOOLS_BENCH_PROGRAM_H_

#include "tools/bench_options.h"

namespace corewal {

inline constexpr int kBenchExitGood = 0;
inline constexpr int kBenchExitUsage = 1;  // or environment; one line says what and what to do
inline constexpr int kBenchExitVerify = 2;

// Returns the exit code.
int RunBench(const BenchCommand& command);

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_PROGRAM_H_
