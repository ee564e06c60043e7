#include "tests/sim/mutant_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/check.h"

namespace corewal {
namespace {

using Clock = std::chrono::steady_clock;

// A child whose standard output and error come through one pipe.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments) {
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    output_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    CHECK_EQ(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0)
        << arguments[0];
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
    close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Everything that it writes, until it closes its output. False: `deadline` came first.
  bool ReadAll(Clock::time_point deadline, std::string* text) {
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) return false;
      pollfd poller = {.fd = output_, .events = POLLIN, .revents = 0};
      const int ready = poll(&poller, 1, static_cast<int>(left.count()));
      if (ready < 0 && errno == EINTR) continue;
      CHECK_GE(ready, 0);
      if (ready == 0) return false;
      char bytes[4096];
      const ssize_t n = read(output_, bytes, sizeof(bytes));
      if (n < 0 && errno == EINTR) continue;
      CHECK_GE(n, 0);
      if (n == 0) return true;
      text->append(bytes, static_cast<size_t>(n));
    }
  }
  // As waitpid has it.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
  int output_ = -1;
};

// The first line that tells of a failed seed.
void FindFailure(absl::string_view text, MutantOutcome* outcome) {
  while (!text.empty()) {
    const absl::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "FAILED seed ")) continue;
    if (!absl::SimpleAtoi(rest.substr(0, rest.find(':')), &outcome->seed)) continue;
    outcome->how = std::string(line);
    return;
  }
}

}  // namespace

MutantOutcome RunMutant(const MutantRun& run) {
  const auto deadline = Clock::now() + std::chrono::seconds(run.seconds_max);
  std::vector<std::string> arguments = {run.program, absl::StrCat("--mutation=", run.mutation),
                                        absl::StrCat("--seeds=", run.seeds_max), "--stop"};
  arguments.insert(arguments.end(), run.arguments.begin(), run.arguments.end());
  Child child(arguments);
  std::string text;
  MutantOutcome outcome;
  outcome.timed_out = !child.ReadAll(deadline, &text);
  if (!outcome.timed_out) {
    const int status = child.Wait();
    outcome.ended_well = WIFEXITED(status) && WEXITSTATUS(status) <= 1;
  }
  FindFailure(text, &outcome);
  return outcome;
}

}  // namespace corewal
