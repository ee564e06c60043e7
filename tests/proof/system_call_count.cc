#include "tests/proof/system_call_count.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace corewal {
namespace {

// A call that does nothing and that nobody makes: close of a descriptor that cannot be, named so.
constexpr uint64_t kStart = 0xfffffff1, kStop = 0xfffffff2;
constexpr int kDeniedExitCode = 78;

// One stop of the child; false when it has ended.
class Tracer {
 public:
  explicit Tracer(pid_t child) : child_(child) {}

  // Follows the child to its end; returns its status.
  int Follow(SystemCallCounts* counts) {
    int status = Wait();
    if (!WIFSTOPPED(status)) return status;
    ptrace(PTRACE_SETOPTIONS, child_, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    int signal = 0;  // to be delivered
    for (;;) {
      ptrace(PTRACE_SYSCALL, child_, 0, signal);
      status = Wait();
      if (!WIFSTOPPED(status)) return status;
      const bool at_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
      signal = at_call ? 0 : WSTOPSIG(status);
      if (at_call) Count(counts);
    }
  }

 private:
  int Wait() const {
    int status = 0;
    while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }
  void Count(SystemCallCounts* counts) {
    __ptrace_syscall_info info = {};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, child_, sizeof(info), &info) <= 0) return;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    const bool mark = info.entry.nr == SYS_close;
    if (mark && static_cast<uint32_t>(info.entry.args[0]) == kStop) counting_ = false;
    if (counting_) ++counts->calls[static_cast<long>(info.entry.nr)];
    if (mark && static_cast<uint32_t>(info.entry.args[0]) == kStart) counting_ = true;
  }

  const pid_t child_;
  bool counting_ = false;
};

}  // namespace

uint64_t SystemCallCounts::total() const {
  uint64_t total = 0;
  for (const auto& [number, count] : calls) total += count;
  return total;
}

std::ostream& operator<<(std::ostream& os, const SystemCallCounts& counts) {
  os << "system calls:";
  for (const auto& [number, count] : counts.calls) os << " number " << number << ": " << count;
  return os;
}

SystemCallCounts CountSystemCalls(const std::function<void()>& body) {
  SystemCallCounts counts;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    ADD_FAILURE() << "fork: " << strerror(errno);
    return counts;
  }
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(kDeniedExitCode);
    raise(SIGSTOP);
    body();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);  // no destructors of the parent's objects
  }
  const int status = Tracer(child).Follow(&counts);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kDeniedExitCode) {
    counts.unavailable = "ptrace(2) is denied here";
    return counts;
  }
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the child's failures above";
  return counts;
}

void StartCounting() { (void)syscall(SYS_close, static_cast<unsigned>(kStart)); }
void StopCounting() { (void)syscall(SYS_close, static_cast<unsigned>(kStop)); }

}  // namespace corewal
