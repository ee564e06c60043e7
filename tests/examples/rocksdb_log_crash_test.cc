// Kills RocksDB on corewal while clients place orders, again and again, and looks at what is left.
//
// After the kills every client must have all the orders that were answered, and at most one more
// for each kill, which was under way: each exactly once, and whole, over two column families
// (order_book.h).
//
//   rocksdb_log_crash_test --seed=N --rounds=N --seconds=N    (crash_loop.h)
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/examples/crash_loop.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

constexpr uint64_t kClients = 6;

class RocksDbLogCrashTest : public testing::Test {
 protected:
  std::vector<std::string> Command(std::vector<std::string> words) {
    words.insert(words.begin(), {program_, directory_.path() + "/shop"});
    return words;
  }

  // "ok CLIENT NUMBER"
  void ReadAnswer(const std::string& line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    ASSERT_EQ(words.size(), 3u) << line;
    ASSERT_EQ(words[0], "ok");
    Client& client = clients_[words[1]];
    uint64_t number = 0;
    ASSERT_TRUE(absl::SimpleAtoi(words[2], &number));
    ASSERT_GT(number, client.answered) << words[1];
    ASSERT_LE(number, client.answered + client.unanswered_max + 1) << words[1];
    client = {.answered = number};
    ++answers_;
  }

  void RunAndKill() {
    const uint64_t enough = answers_ + loop_.Below(800);
    loop_.RunAndKill({.command = Command({"order", absl::StrCat(kClients)}),
                      .answer = [this](const std::string& line) { ReadAnswer(line); },
                      .enough = [&] { return answers_ >= enough; }});
    for (uint64_t i = 0; i < kClients; ++i) ++clients_[absl::StrCat("client", i)].unanswered_max;
  }

  // The program itself checks that each order is there once and whole, and fails if not.
  std::map<std::string, uint64_t> List() {
    const std::string output = CrashLoop::RunToEnd(Command({"list"}));
    std::map<std::string, uint64_t> found;
    for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      EXPECT_TRUE(words.size() == 2 && absl::SimpleAtoi(words[1], &found[words[0]])) << line;
    }
    return found;
  }

  CrashLoop loop_;
  const std::string program_ = CrashLoop::PathOf("examples/rocksdb_log/rocksdb_log");
  TempDirectory directory_;
  struct Client {
    uint64_t answered = 0;        // the number of the last one
    uint64_t unanswered_max = 0;  // since then: one for each kill
  };
  std::map<std::string, Client> clients_;
  uint64_t answers_ = 0;
};

TEST_F(RocksDbLogCrashTest, EveryAnsweredOrderIsThereOnceAndWhole) {
  while (loop_.NextRound()) {
    RunAndKill();
    if (HasFailure()) return;
    if (loop_.Below(3) == 0) continue;  // the next one replays, and is killed, on top of this one
    std::map<std::string, uint64_t> found = List();
    for (auto& [name, client] : clients_) {
      EXPECT_GE(found[name], client.answered) << name << " lost orders, round " << loop_.round();
      EXPECT_LE(found[name], client.answered + client.unanswered_max)
          << name << " has orders that nobody placed, round " << loop_.round();
      client = {.answered = found[name]};
    }
    EXPECT_LE(found.size(), clients_.size());
    if (HasFailure()) return;
  }
  EXPECT_GT(answers_, 0u) << "the test never let the program work";
  std::printf("%llu answered orders\n", static_cast<unsigned long long>(answers_));
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::CrashLoop::Main(argc, argv, 10); }
