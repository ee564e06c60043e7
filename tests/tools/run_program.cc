#include "tests/tools/run_program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace corewal {
namespace {

// An unnamed file; what a child writes there is read when it has ended. Never blocks, as a pipe
// may.
class Spool {
 public:
  Spool() : file_(tmpfile()) { CHECK(file_ != nullptr); }
  ~Spool() { fclose(file_); }
  int fd() const { return fileno(file_); }
  void Put(const std::string& text) {
    CHECK_EQ(write(fd(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    CHECK_EQ(lseek(fd(), 0, SEEK_SET), 0);
  }
  std::string Take() const {
    std::string text(static_cast<size_t>(lseek(fd(), 0, SEEK_END)), '\0');
    CHECK_EQ(pread(fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  FILE* file_;
};

// What exec gives to root is bounded by this set.
bool DropOverrides() {
  return geteuid() != 0 || (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0 &&
                            prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0) == 0);
}

[[noreturn]] void Become(const ProgramRun& run, int in, int out, int error) {
  std::vector<char*> arguments;
  std::string path = ProgramPath(run.program);
  arguments.push_back(path.data());
  std::vector<std::string> copies = run.arguments;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  if (run.permissions_hold && !DropOverrides()) _exit(126);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0) _exit(126);
  execv(path.c_str(), arguments.data());
  _exit(126);
}

}  // namespace

std::string ProgramPath(const std::string& program) {
  if (!program.empty() && program[0] == '/') return program;
  const char* const root = getenv("TEST_SRCDIR");
  const char* const workspace = getenv("TEST_WORKSPACE");
  CHECK(root != nullptr && workspace != nullptr) << "not run by bazel";
  return std::string(root) + "/" + workspace + "/" + program;
}

ProgramResult RunProgram(const ProgramRun& run) {
  Spool in, out, error;
  in.Put(run.input);
  int out_fd = out.fd();
  if (!run.output_to.empty()) out_fd = open(run.output_to.c_str(), O_WRONLY | O_CLOEXEC);
  CHECK_GE(out_fd, 0) << run.output_to;
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) Become(run, in.fd(), out_fd, error.fd());
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  if (out_fd != out.fd()) close(out_fd);
  ProgramResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  CHECK_NE(result.exit_code, 126) << "cannot run " << run.program;
  result.output = out.Take();
  result.error = error.Take();
  return result;
}

}  // namespace corewal
