// tests/tools/run_program.h: runs a built program of the workspace and keeps what it printed.
//
//   const ProgramResult result = RunProgram({.program = "tools/wal-dump", .arguments =
//   {"--help"}}); EXPECT_EQ(result.exit_code, 0) << result.error;
//
// The program must be among the test's `data`.
#ifndef COREWAL_TESTS_TOOLS_RUN_PROGRAM_H_
#define COREWAL_TESTS_TOOLS_RUN_PROGRAM_H_

#include <string>
#include <vector>

namespace corewal {

struct ProgramRun {
  std::string program;  // path from the workspace's root; or absolute
  std::vector<std::string> arguments = {};
  std::string input = {};      // its standard input
  std::string output_to = {};  // opens this for its standard output; empty: captured
  // Root's right to read and write everything is taken from it: permissions hold as for others.
  bool permissions_hold = false;
};

struct ProgramResult {
  int exit_code = -1;  // -N: ended by signal N
  std::string output;
  std::string error;
};

// Waits for its end. Fails the test if it cannot be started.
ProgramResult RunProgram(const ProgramRun& run);

// Absolute path of a program among the test's data.
std::string ProgramPath(const std::string& program);

}  // namespace corewal

#endif  // COREWAL_TESTS_TOOLS_RUN_PROGRAM_H_
