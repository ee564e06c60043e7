// Kills the key-value store while it works, again and again, and looks at what is left.
//
// After each kill the tables must be what some prefix of the changes sent makes, shard by shard: at
// least all that were acknowledged, nothing that was not sent, in the order they were sent. Now and
// then a checkpoint takes the place of a part of the log.
//
//   kv_store_crash_test --seed=N --rounds=N
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/engine/child_process.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

uint64_t g_seed = 0;
int g_rounds = 25;

constexpr uint32_t kShards = 4;
constexpr int kKeys = 60;

// As the store's format has it: a change of either would lose order between old and new changes.
uint32_t ShardOf(const std::string& key) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : key) hash = (hash ^ c) * 0x100000001b3;
  return static_cast<uint32_t>((hash >> 32) % kShards);
}

struct Change {
  std::string key;  // empty: a checkpoint, which changes nothing
  bool put = false;
  std::string value;
  std::string ToLine() const {
    if (key.empty()) return "checkpoint\n";
    return put ? absl::StrCat("put ", key, " ", value, "\n") : absl::StrCat("del ", key, "\n");
  }
};

std::string ProgramPath() {
  const char* const root = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) return "bazel-bin/examples/kv_store/kv_store";
  return absl::StrCat(root, "/", workspace, "/examples/kv_store/kv_store");
}

using Table = std::map<std::string, std::string>;

void Apply(const Change& change, Table* table) {
  if (change.put) {
    (*table)[change.key] = change.value;
  } else {
    table->erase(change.key);
  }
}

class KvStoreCrashTest : public testing::Test {
 protected:
  KvStoreCrashTest() : random_(g_seed), program_(ProgramPath()) {
    std::printf("seed %llu; replay with --seed=%llu\n", static_cast<unsigned long long>(g_seed),
                static_cast<unsigned long long>(g_seed));
  }
  ~KvStoreCrashTest() override {
    if (!HasFailure()) return;
    std::printf("the last actions, seed %llu:\n", static_cast<unsigned long long>(g_seed));
    for (const std::string& action : actions_) std::printf("  %s\n", action.c_str());
  }

  uint64_t Below(uint64_t limit) { return random_() % limit; }

  void Note(std::string action) {
    actions_.push_back(std::move(action));
    if (actions_.size() > 50) actions_.pop_front();
  }

  // Values name their change, so that no other can be taken for it.
  Change RandomChange(int round, size_t number) {
    if (Below(200) == 0) return {};
    Change change{.key = absl::StrCat("key", Below(kKeys)), .put = Below(10) < 7};
    if (change.put) {
      change.value = absl::StrCat("r", round, "n", number, ":",
                                  std::string(Below(Below(20) == 0 ? 20000 : 600), 'v'));
    }
    return change;
  }

  // Feeds the store until it is killed. `sent`: changes of which at least a part was handed over.
  void RunAndKill(int round, std::vector<Change>* sent, size_t* acknowledged) {
    const size_t enough = Below(5) == 0 ? 0 : Below(2500);
    const std::chrono::microseconds later(Below(3000));
    const bool uring = Below(2) == 0;
    ChildProcess child({program_, directory_.path() + "/store", "load"},
                       {absl::StrCat("COREWAL_IO_URING=", uring ? "on" : "off")});
    std::string input, output;
    *acknowledged = 0;
    const auto read_answers = [&] {
      for (size_t end; (end = output.find('\n')) != std::string::npos; output.erase(0, end + 1)) {
        ASSERT_EQ(output.substr(0, end), absl::StrCat("ok ", *acknowledged + 1));
        ++*acknowledged;
      }
      ASSERT_LE(*acknowledged, sent->size());
    };
    std::chrono::steady_clock::time_point kill_at = std::chrono::steady_clock::time_point::max();
    while (std::chrono::steady_clock::now() < kill_at) {
      if (input.size() < 4096) {
        sent->push_back(RandomChange(round, sent->size()));
        input += sent->back().ToLine();
      }
      ASSERT_TRUE(child.Pump(&input, &output, 1)) << "the store ended by itself";
      read_answers();
      if (HasFatalFailure()) return;
      const bool reached = *acknowledged >= enough;
      if (reached && kill_at == std::chrono::steady_clock::time_point::max()) {
        kill_at = std::chrono::steady_clock::now() + later;
      }
    }
    EXPECT_EQ(child.Kill(), -SIGKILL);
    std::string no_more;
    while (child.Pump(&no_more, &output)) {
    }
    read_answers();
    Note(absl::StrCat("round ", round, uring ? " uring" : " posix", ": sent ", sent->size(),
                      ", acknowledged ", *acknowledged));
  }

  Table List() {
    ChildProcess child({program_, directory_.path() + "/store", "list"});
    std::string no_input, output;
    while (child.Pump(&no_input, &output)) {
    }
    EXPECT_EQ(child.WaitForEnd(), 0);
    Table found;
    size_t begin = 0;
    for (size_t end; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = output.substr(begin, end - begin);
      const size_t space = line.find(' ');
      found[line.substr(0, space)] = line.substr(space + 1);
    }
    return found;
  }

  // What `shard` must hold is `tables_[shard]` and then a prefix of its changes in `sent`.
  void CheckShard(uint32_t shard, const std::vector<Change>& sent, size_t acknowledged,
                  const Table& found) {
    Table* table = &tables_[shard];
    size_t of_shard = 0;
    bool matched = false;
    Table match;
    for (size_t i = 0; i <= sent.size(); ++i) {
      if (i >= acknowledged && *table == found) {
        matched = true;
        match = *table;
      }
      if (i == sent.size() || ShardOf(sent[i].key) != shard) continue;
      Apply(sent[i], table);
      ++of_shard;
      if (i + 50 >= sent.size()) Note(absl::StrCat("  ", sent[i].ToLine().substr(0, 30)));
    }
    EXPECT_TRUE(matched) << "shard " << shard << " holds " << found.size()
                         << " keys that no prefix of " << of_shard << " changes explains";
    *table = std::move(match);
  }

  std::mt19937_64 random_;
  std::string program_;
  TempDirectory directory_;
  Table tables_[kShards];
  std::deque<std::string> actions_;
};

TEST_F(KvStoreCrashTest, EveryAcknowledgedChangeSurvivesAndNoneIsInvented) {
  size_t acknowledged_ever = 0;
  for (int round = 0; round < g_rounds && !HasFailure(); ++round) {
    std::vector<Change> sent;
    size_t acknowledged = 0;
    RunAndKill(round, &sent, &acknowledged);
    if (HasFatalFailure()) return;
    acknowledged_ever += acknowledged;
    Table found[kShards];
    for (const auto& [key, value] : List()) found[ShardOf(key)][key] = value;
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      CheckShard(shard, sent, acknowledged, found[shard]);
    }
  }
  EXPECT_GT(acknowledged_ever, 0u) << "the test never let the store work";
  std::printf("%d kills, %zu acknowledged changes\n", g_rounds, acknowledged_ever);
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
