// wal-bench: what can this disk, this kernel and this log do? See --help.
#include <csignal>
#include <cstdio>
#include <string>

#include "absl/types/span.h"
#include "base/version.h"
#include "tools/bench_options.h"
#include "tools/bench_program.h"
#include "tools/command_line.h"
#include "tools/interrupt.h"

int main(int argc, char** argv) {
  const auto arguments = absl::MakeConstSpan(argv, static_cast<size_t>(argc));
  if (corewal::HasFlag(arguments, "help") || corewal::HasFlag(arguments, "h")) {
    std::fputs(std::string(corewal::BenchHelp()).c_str(), stdout);
    return corewal::kBenchExitGood;
  }
  if (corewal::HasFlag(arguments, "version")) {
    std::printf("wal-bench %s\n", corewal::kVersion);
    return corewal::kBenchExitGood;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(2)
  corewal::CatchInterrupts();
  const auto command = corewal::ParseBenchCommand(arguments);
  if (!command.ok()) {
    std::fprintf(stderr, "wal-bench: %s\n", std::string(command.status().message()).c_str());
    return corewal::kBenchExitUsage;
  }
  return corewal::RunBench(*command);
}
