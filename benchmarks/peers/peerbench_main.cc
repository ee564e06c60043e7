// peerbench: the write-ahead logs of others, all driven in the same way on one disk. See --help.
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "benchmarks/peers/die.h"
#include "benchmarks/peers/disk_probe.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/recover_run.h"
#include "benchmarks/peers/run_config.h"
#include "benchmarks/peers/run_result.h"
#include "benchmarks/peers/timed_run.h"
#include "tools/command_line.h"

namespace corewal::peers {
namespace {

// A directory of this run alone, below `base`.
std::string MakePrivateDirectory(const std::string& base) {
  std::error_code error;
  std::filesystem::create_directories(base, error);
  if (error) Die("cannot create ", base, ": ", error.message());
  struct statfs facts {};
  if (statfs(base.c_str(), &facts) != 0) DieOfErrno("statfs", base);
  if (facts.f_type == TMPFS_MAGIC) Die(base, " is on tmpfs; name a directory on a real disk");
  std::string path = std::filesystem::absolute(base).string() + "/peerbench-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) DieOfErrno("mkdtemp", path);
  return path;
}

RunResult Measure(const RunConfig& config, Peer& peer) {
  if (config.recover()) return RunRecover(config, peer);
  peer.Setup();
  RunResult result = RunTimed(config, peer);
  peer.Teardown();
  const double syncs = peer.ServerSyncs(result.records);
  if (syncs >= 0 && result.io) result.io->syncs = static_cast<uint64_t>(syncs);
  return result;
}

void Run(RunConfig config) {
  ValueOrDie(MakePeer(config));  // complains of the name before anything is made
  config.directory = MakePrivateDirectory(config.directory);
  const double probe_before_us = ProbeDiskMicros(config.directory);
  const std::unique_ptr<Peer> peer = ValueOrDie(MakePeer(config));
  RunResult result = Measure(config, *peer);
  result.probe_before_us = probe_before_us;
  result.probe_after_us = ProbeDiskMicros(config.directory);
  std::printf("%s\n", result.ToJson(config, peer->notes()).c_str());
  std::fflush(stdout);
  if (!config.keep) std::filesystem::remove_all(config.directory);
}

}  // namespace
}  // namespace corewal::peers

int main(int argc, char** argv) {
  const auto arguments = absl::MakeConstSpan(argv, static_cast<size_t>(argc));
  if (corewal::HasFlag(arguments, "help") || corewal::HasFlag(arguments, "h")) {
    std::printf("%s\nPeers: %s.\n", std::string(corewal::peers::PeerbenchHelp()).c_str(),
                corewal::peers::PeerNames().c_str());
    return 0;
  }
  corewal::peers::Run(corewal::peers::ValueOrDie(corewal::peers::ParseRunConfig(arguments)));
  return 0;
}
