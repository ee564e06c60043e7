#include "tools/crashed_writer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/bench_log.h"
#include "tools/client_team.h"
#include "tools/run_plan.h"
#include "tools/stream_client.h"

namespace corewal {
namespace {

constexpr absl::string_view kGood = "records ";

// Everything that the records' writer opened is left open, for _exit to drop.
struct Writer {
  std::unique_ptr<BenchLog> log;
  std::unique_ptr<ClientTeam> team;
};

absl::Status Write(const BenchOptions& options, Writer* writer) {
  ASSIGN_OR_RETURN(writer->log, BenchLog::Open(options));
  std::vector<std::unique_ptr<BenchClient>> clients;
  for (uint32_t i = 0; i < options.engine.shards; ++i) {
    clients.push_back(MakeEmbeddedStreamClient({&writer->log->engine(), &writer->log->feed(i),
                                                nullptr, options.engine.shard.segments_first}));
  }
  writer->team = std::make_unique<ClientTeam>(std::move(clients));
  RETURN_IF_ERROR(writer->team->Start().status);
  return writer->team->Run(RunPlan::For(options).Limits(options), [] {}).status;
}

[[noreturn]] void ChildMain(const BenchOptions& options, int pipe_fd) {
  auto* const writer = new Writer;
  const absl::Status written = Write(options, writer);
  std::string answer(written.message());
  if (written.ok()) {
    std::vector<uint64_t> records;
    for (uint32_t i = 0; i < options.engine.shards; ++i) {
      records.push_back(writer->log->feed(i).source().seq() - 1);
    }
    answer = absl::StrCat(kGood, absl::StrJoin(records, " "));
  }
  const ssize_t sent = write(pipe_fd, answer.data(), answer.size());
  _exit(sent == static_cast<ssize_t>(answer.size()) ? 0 : 1);
}

std::string ReadAll(int fd) {
  std::string text;
  char part[4096];
  for (ssize_t got; (got = read(fd, part, sizeof(part))) != 0;) {
    if (got > 0) {
      text.append(part, static_cast<size_t>(got));
    } else if (errno != EINTR) {
      break;
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<std::vector<uint64_t>> WriteLogAndDie(const BenchOptions& options) {
  BenchOptions child_options = options;
  child_options.workload = Workload::kStream;
  child_options.embedded = true;
  child_options.clients = options.engine.shards;
  child_options.engine.threads = EngineOptions::Threads::kHost;
  child_options.floor = false;

  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2", options.directory);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus(errno, "fork", options.directory);
  if (child == 0) {
    close(fds[0]);
    ChildMain(child_options, fds[1]);
  }
  close(fds[1]);
  const std::string answer = ReadAll(fds[0]);
  close(fds[0]);
  int how = 0;
  while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  absl::string_view rest = answer;
  if (!absl::ConsumePrefix(&rest, kGood)) {
    return absl::AbortedError(rest.empty()
                                  ? absl::StrCat("the writing process ended early, status ", how)
                                  : std::string(rest));
  }
  std::vector<uint64_t> records;
  for (const absl::string_view number : absl::StrSplit(rest, ' ')) {
    uint64_t value = 0;
    if (!absl::SimpleAtoi(number, &value)) {
      return absl::AbortedError("the writing process gave no clear answer");
    }
    records.push_back(value);
  }
  return records;
}

}  // namespace corewal
