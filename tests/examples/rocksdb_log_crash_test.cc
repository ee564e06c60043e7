// Kills RocksDB on corewal while clients place orders, again and again, and looks at what is left.
//
// After the kills every client must have all the orders that were answered, and at most one more
// for each kill, which was under way: each exactly once, and whole, over two column families
// (order_book.h).
//
//   rocksdb_log_crash_test --seed=N --rounds=N
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/engine/child_process.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

uint64_t g_seed = 0;
int g_rounds = 10;

constexpr uint64_t kClients = 6;

std::string ProgramPath() {
  const char* const root = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) return "bazel-bin/examples/rocksdb_log/rocksdb_log";
  return absl::StrCat(root, "/", workspace, "/examples/rocksdb_log/rocksdb_log");
}

class RocksDbLogCrashTest : public testing::Test {
 protected:
  RocksDbLogCrashTest() : random_(g_seed), program_(ProgramPath()) {
    std::printf("seed %llu; replay with --seed=%llu\n", static_cast<unsigned long long>(g_seed),
                static_cast<unsigned long long>(g_seed));
  }

  std::vector<std::string> Command(std::vector<std::string> words) {
    words.insert(words.begin(), {program_, directory_.path() + "/shop"});
    return words;
  }

  // Takes whole lines "ok CLIENT NUMBER" off `output`.
  void ReadAnswers(std::string* output) {
    for (size_t end; (end = output->find('\n')) != std::string::npos; output->erase(0, end + 1)) {
      const std::vector<std::string> words = absl::StrSplit(output->substr(0, end), ' ');
      ASSERT_EQ(words.size(), 3u) << output->substr(0, end);
      ASSERT_EQ(words[0], "ok");
      Client& client = clients_[words[1]];
      uint64_t number = 0;
      ASSERT_TRUE(absl::SimpleAtoi(words[2], &number));
      ASSERT_GT(number, client.answered) << words[1];
      ASSERT_LE(number, client.answered + client.unanswered_max + 1) << words[1];
      client = {.answered = number};
      ++answers_;
    }
  }

  void RunAndKill() {
    const uint64_t enough = answers_ + random_() % 800;
    ChildProcess child(Command({"order", absl::StrCat(kClients)}));
    std::string no_input, output;
    while (answers_ < enough) {
      ASSERT_TRUE(child.Pump(&no_input, &output)) << "the program ended by itself";
      ReadAnswers(&output);
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(child.Kill(), -SIGKILL);
    while (child.Pump(&no_input, &output)) {
    }
    ReadAnswers(&output);
    for (uint64_t i = 0; i < kClients; ++i) ++clients_[absl::StrCat("client", i)].unanswered_max;
  }

  // The program itself checks that each order is there once and whole, and fails if not.
  std::map<std::string, uint64_t> List() {
    ChildProcess child(Command({"list"}));
    std::string no_input, output;
    while (child.Pump(&no_input, &output)) {
    }
    EXPECT_EQ(child.WaitForEnd(), 0);
    std::map<std::string, uint64_t> found;
    for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      EXPECT_TRUE(words.size() == 2 && absl::SimpleAtoi(words[1], &found[words[0]])) << line;
    }
    return found;
  }

  std::mt19937_64 random_;
  std::string program_;
  TempDirectory directory_;
  struct Client {
    uint64_t answered = 0;        // the number of the last one
    uint64_t unanswered_max = 0;  // since then: one for each kill
  };
  std::map<std::string, Client> clients_;
  uint64_t answers_ = 0;
};

TEST_F(RocksDbLogCrashTest, EveryAnsweredOrderIsThereOnceAndWhole) {
  for (int round = 0; round < g_rounds; ++round) {
    RunAndKill();
    if (HasFatalFailure()) return;
    if (random_() % 3 == 0) continue;  // the next one replays, and is killed, on top of this one
    std::map<std::string, uint64_t> found = List();
    for (auto& [name, client] : clients_) {
      EXPECT_GE(found[name], client.answered) << name << " lost orders, round " << round;
      EXPECT_LE(found[name], client.answered + client.unanswered_max)
          << name << " has orders that nobody placed, round " << round;
      client = {.answered = found[name]};
    }
    EXPECT_LE(found.size(), clients_.size());
    if (HasFailure()) return;
  }
  EXPECT_GT(answers_, 0u) << "the test never let the program work";
  std::printf("%d kills, %llu answered orders\n", g_rounds,
              static_cast<unsigned long long>(answers_));
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  corewal::g_seed = std::random_device()();
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seed=", 7) == 0) {
      corewal::g_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    }
    if (std::strncmp(argv[i], "--rounds=", 9) == 0) corewal::g_rounds = std::atoi(argv[i] + 9);
  }
  return RUN_ALL_TESTS();
}
