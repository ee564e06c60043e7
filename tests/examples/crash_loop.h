// tests/examples/crash_loop.h: an example, killed at random moments again and again.
//
//   TEST_F(MyTest, NothingIsLost) {
//     while (loop.NextRound()) {
//       loop.RunAndKill({.command = ..., .answer = ..., .enough = ...});
//       compare what is left: with loop.RunToEnd({program, "list"}), or with the files themselves
//     }
//   }
//   int main(int argc, char** argv) { return CrashLoop::Main(argc, argv, rounds); }
//
// The test's flags: --seed=N repeats the choices made; --rounds=N kills that often; --seconds=N
// goes on for that long instead. Thread: one.
#ifndef COREWAL_TESTS_EXAMPLES_CRASH_LOOP_H_
#define COREWAL_TESTS_EXAMPLES_CRASH_LOOP_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace corewal {

class CrashLoop {
 public:
  // gtest's main with the flags above; `rounds` unless told otherwise.
  static int Main(int argc, char** argv, int rounds);

  // Prints the seed; at the end, if the test failed, the last 50 actions.
  CrashLoop();
  ~CrashLoop();
  CrashLoop(const CrashLoop&) = delete;
  CrashLoop& operator=(const CrashLoop&) = delete;

  // Where Bazel put the program; `label` as in "examples/kv_store/kv_store".
  static std::string PathOf(const std::string& label);

  // Whether there is another; not after a failure. The first one is round 0.
  bool NextRound();
  int round() const { return round_; }
  int kills() const { return kills_; }

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  void Note(const std::string& action);

  struct Run {
    std::vector<std::string> command;
    std::vector<std::string> environment = {};
    // Adds to the child's input whenever little is left of it. Null: no input.
    std::function<void(std::string* input)> feed = {};
    std::function<void(const std::string& line)> answer;  // each line of its output, in order
    std::function<bool()> enough;                         // then it is killed,
    std::chrono::microseconds later{0};                   // so much later
    bool may_end = false;                                 // by itself, with exit code 0
  };
  // Answers that were on their way are handed out too; a line cut short by the kill is not. False:
  // it ended by itself, which is a failure unless may_end.
  bool RunAndKill(const Run& run);

  // Its whole output; expects exit code 0.
  static std::string RunToEnd(std::vector<std::string> command);

 private:
  std::mt19937_64 random_;
  std::deque<std::string> actions_;
  std::chrono::steady_clock::time_point end_;
  int round_ = -1;
  int kills_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_EXAMPLES_CRASH_LOOP_H_
