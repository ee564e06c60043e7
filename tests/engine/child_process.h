// tests/engine/child_process.h: a program under test that is fed, listened to and killed.
//
//   ChildProcess child({path, "load"});
//   while (acknowledged < enough && child.Pump(&input, &output)) ...
//   child.Kill();                                    // SIGKILL; what it had said stays readable
//   while (child.Pump(&input, &output)) {}           // the rest of its output
//
// Thread: one.
#ifndef COREWAL_TESTS_ENGINE_CHILD_PROCESS_H_
#define COREWAL_TESTS_ENGINE_CHILD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace corewal {

class ChildProcess {
 public:
  // Runs `command` with pipes for its standard input and output; "NAME=VALUE" are added to its
  // environment. It dies with this thread. Ends the test if it cannot be started.
  explicit ChildProcess(std::vector<std::string> command,
                        const std::vector<std::string>& environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Waits until the child takes input or gives output, at most `timeout_ms`; removes from `input`
  // what it took and adds to `output` what it gave. False: it has closed its output.
  bool Pump(std::string* input, std::string* output, int timeout_ms = -1);
  void CloseInput();

  // Both return its exit code, or -N if signal N ended it.
  int Kill();
  int WaitForEnd();

 private:
  pid_t pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  int exit_code_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_ENGINE_CHILD_PROCESS_H_
