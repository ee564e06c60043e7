#include "tests/engine/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/check.h"

namespace corewal {
namespace {

constexpr size_t kPipeChunk = 4096;

[[noreturn]] void Become(std::vector<std::string> command, int in, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
  execv(arguments[0], arguments.data());
  _exit(126);
}

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> command,
                           const std::vector<std::string>& environment) {
  signal(SIGPIPE, SIG_IGN);  // the child's end is found by reading
  int in[2], out[2];
  CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
  CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
  if (!environment.empty()) {
    std::vector<std::string> with_environment = {"/usr/bin/env"};
    with_environment.insert(with_environment.end(), environment.begin(), environment.end());
    with_environment.insert(with_environment.end(), command.begin(), command.end());
    command = std::move(with_environment);
  }
  pid_ = fork();
  CHECK_GE(pid_, 0);
  if (pid_ == 0) Become(std::move(command), in[0], out[1]);
  close(in[0]);
  close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
  CHECK_EQ(fcntl(to_child_, F_SETFL, O_NONBLOCK), 0);
}

ChildProcess::~ChildProcess() {
  Kill();
  CloseInput();
  close(from_child_);
}

bool ChildProcess::Pump(std::string* input, std::string* output, int timeout_ms) {
  pollfd fds[] = {{.fd = from_child_, .events = POLLIN, .revents = 0},
                  {.fd = input->empty() ? -1 : to_child_, .events = POLLOUT, .revents = 0}};
  if (poll(fds, 2, timeout_ms) < 0) {
    CHECK_EQ(errno, EINTR);
    return true;
  }
  if ((fds[1].revents & POLLOUT) != 0) {
    const ssize_t taken = write(to_child_, input->data(), std::min(input->size(), kPipeChunk));
    if (taken > 0) input->erase(0, static_cast<size_t>(taken));
  }
  if (fds[0].revents == 0) return true;
  char buffer[kPipeChunk];
  const ssize_t given = read(from_child_, buffer, sizeof(buffer));
  if (given <= 0) return false;
  output->append(buffer, static_cast<size_t>(given));
  return true;
}

void ChildProcess::CloseInput() {
  if (to_child_ >= 0) close(to_child_);
  to_child_ = -1;
}

int ChildProcess::Kill() {
  if (pid_ > 0) kill(pid_, SIGKILL);
  return WaitForEnd();
}

int ChildProcess::WaitForEnd() {
  if (pid_ < 0) return exit_code_;
  int status = 0;
  CHECK_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  CHECK_NE(exit_code_, 126) << "the program cannot be run";
  return exit_code_;
}

}  // namespace corewal
