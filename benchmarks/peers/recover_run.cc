#include "benchmarks/peers/recover_run.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "benchmarks/peers/page_cache.h"
#include "benchmarks/peers/record_maker.h"

namespace corewal::peers {
namespace {

void WriteLog(const RunConfig& config, Peer& peer) {
  peer.Setup();
  const std::unique_ptr<Client> client = peer.NewClient(0);
  RecordMaker maker(config.record_bytes, 0);
  size_t pending_bytes = 0;
  for (uint64_t i = 0; i < config.RecoverRecords(); ++i) {
    client->Append(maker.Next());
    pending_bytes += config.record_bytes;
    if (pending_bytes >= kSyncEveryBytes) {
      client->Sync();
      pending_bytes = 0;
    }
  }
  client->Sync();
  peer.CrashAfterWrite();
  _exit(0);  // nothing is closed: `client` is never destroyed
}

}  // namespace

RunResult RunRecover(const RunConfig& config, Peer& peer) {
  std::fflush(nullptr);
  const pid_t writer = fork();
  if (writer < 0) DieOfErrno("fork", "of the writer");
  if (writer == 0) WriteLog(config, peer);
  int status = 0;
  waitpid(writer, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) Die("the process that writes the log failed");
  if (config.cold) DropPageCache(config.directory);
  const RecoverResult read = peer.Recover();
  RunResult result;
  result.seconds = read.seconds;
  result.records = read.records;
  result.cpu_s = read.cpu.process_s;
  result.machine_s = read.cpu.machine_s;
  return result;
}

}  // namespace corewal::peers
