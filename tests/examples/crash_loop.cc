#include "tests/examples/crash_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/engine/child_process.h"

namespace corewal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kInputBytes = 4096;
constexpr std::chrono::seconds kPatience(120);  // with a child that says and takes nothing more

uint64_t g_seed = 0;
int g_rounds = 0;
int g_seconds = 0;  // 0: rounds count

void HandOutLines(std::string* output, const std::function<void(const std::string&)>& answer) {
  for (size_t end; (end = output->find('\n')) != std::string::npos; output->erase(0, end + 1)) {
    answer(output->substr(0, end));
  }
}

}  // namespace

int CrashLoop::Main(int argc, char** argv, int rounds) {
  testing::InitGoogleTest(&argc, argv);
  g_seed = std::random_device()();
  g_rounds = rounds;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) g_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (std::strncmp(argv[i], "--rounds=", 9) == 0) g_rounds = std::atoi(argv[i] + 9);
    if (std::strncmp(argv[i], "--seconds=", 10) == 0) g_seconds = std::atoi(argv[i] + 10);
  }
  return RUN_ALL_TESTS();
}

CrashLoop::CrashLoop() : random_(g_seed), end_(Clock::now() + std::chrono::seconds(g_seconds)) {
  std::printf("seed %llu; replay with --seed=%llu\n", static_cast<unsigned long long>(g_seed),
              static_cast<unsigned long long>(g_seed));
}

CrashLoop::~CrashLoop() {
  std::printf("%d kills\n", kills_);
  if (!testing::Test::HasFailure()) return;
  std::printf("the last actions, seed %llu:\n", static_cast<unsigned long long>(g_seed));
  for (const std::string& action : actions_) std::printf("  %s\n", action.c_str());
}

std::string CrashLoop::PathOf(const std::string& label) {
  const char* const root = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) return absl::StrCat("bazel-bin/", label);
  return absl::StrCat(root, "/", workspace, "/", label);
}

bool CrashLoop::NextRound() {
  if (testing::Test::HasFailure()) return false;
  ++round_;
  return g_seconds > 0 ? Clock::now() < end_ : round_ < g_rounds;
}

void CrashLoop::Note(const std::string& action) {
  actions_.push_back(absl::StrCat("round ", round_, ": ", action));
  if (actions_.size() > 50) actions_.pop_front();
}

bool CrashLoop::RunAndKill(const Run& run) {
  ChildProcess child(run.command, run.environment);
  std::string input, output;
  const Clock::time_point give_up_at = Clock::now() + kPatience;
  Clock::time_point kill_at = Clock::time_point::max();
  bool goes_on = true;
  while (goes_on && Clock::now() < kill_at) {
    if (kill_at == Clock::time_point::max() && run.enough()) kill_at = Clock::now() + run.later;
    if (run.feed && input.size() < kInputBytes) run.feed(&input);
    goes_on = child.Pump(&input, &output, 1);
    HandOutLines(&output, run.answer);
    if (testing::Test::HasFailure()) return false;
    if (Clock::now() < give_up_at) continue;
    ADD_FAILURE() << "it does not go on";
    return false;
  }
  const int ended = goes_on ? child.Kill() : child.WaitForEnd();
  std::string no_more;
  while (child.Pump(&no_more, &output)) {
  }
  HandOutLines(&output, run.answer);
  if (run.may_end && ended == 0) return false;
  EXPECT_EQ(ended, -SIGKILL) << "it ended by itself";
  ++kills_;
  return true;
}

std::string CrashLoop::RunToEnd(std::vector<std::string> command) {
  ChildProcess child(std::move(command));
  const Clock::time_point give_up_at = Clock::now() + kPatience;
  std::string no_input, output;
  while (child.Pump(&no_input, &output, 1000)) {
    if (Clock::now() < give_up_at) continue;
    ADD_FAILURE() << "it does not end";
    child.Kill();
  }
  EXPECT_EQ(child.WaitForEnd(), 0);
  return output;
}

}  // namespace corewal
