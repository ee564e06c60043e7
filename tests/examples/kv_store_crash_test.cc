// Kills the key-value store while it works, again and again, and looks at what is left.
//
// After each kill the tables must be what some prefix of the changes sent makes, shard by shard: at
// least all that were acknowledged, nothing that was not sent, in the order they were sent. Now and
// then a checkpoint takes the place of a part of the log, and often it is a checkpoint that is
// killed.
//
//   kv_store_crash_test --seed=N --rounds=N --seconds=N    (crash_loop.h)
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "examples/common/partition.h"
#include "tests/examples/crash_loop.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

constexpr uint32_t kShards = 4;
constexpr int kKeys = 60;

uint32_t ShardOf(const std::string& key) { return examples::PartitionOf(key, kShards); }

struct Change {
  std::string key;  // empty: a checkpoint, which changes nothing
  bool put = false;
  std::string value;
  std::string ToLine() const {
    if (key.empty()) return "checkpoint\n";
    return put ? absl::StrCat("put ", key, " ", value, "\n") : absl::StrCat("del ", key, "\n");
  }
};

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
  // Values name their change, so that no other can be taken for it.
  Change RandomChange(size_t number) {
    if (loop_.Below(200) == 0) return {};
    Change change{.key = absl::StrCat("key", loop_.Below(kKeys)), .put = loop_.Below(10) < 7};
    if (change.put) {
      change.value =
          absl::StrCat("r", loop_.round(), "n", number, ":",
                       std::string(loop_.Below(loop_.Below(20) == 0 ? 20000 : 600), 'v'));
    }
    return change;
  }

  // Feeds the store until it is killed. `sent`: changes of which at least a part was handed over.
  void RunAndKill(std::vector<Change>* sent, size_t* acknowledged) {
    const size_t enough = loop_.Below(5) == 0 ? 0 : loop_.Below(2500);
    const bool uring = loop_.Below(2) == 0;
    bool checkpoint_then = loop_.Below(3) == 0;
    *acknowledged = 0;
    loop_.RunAndKill({
        .command = {program_, directory_.path() + "/store", "load"},
        .environment = {absl::StrCat("COREWAL_IO_URING=", uring ? "on" : "off")},
        .feed =
            [&](std::string* input) {
              sent->push_back(RandomChange(sent->size()));
              if (*acknowledged >= enough && std::exchange(checkpoint_then, false)) {
                sent->back() = {};
              }
              *input += sent->back().ToLine();
            },
        .answer =
            [&](const std::string& line) {
              ASSERT_EQ(line, absl::StrCat("ok ", *acknowledged + 1));
              ++*acknowledged;
              ASSERT_LE(*acknowledged, sent->size());
            },
        .enough = [&] { return *acknowledged >= enough; },
        .later = std::chrono::microseconds(loop_.Below(checkpoint_then ? 30'000 : 3000)),
    });
    loop_.Note(absl::StrCat(uring ? "uring" : "posix", ": sent ", sent->size(), ", acknowledged ",
                            *acknowledged));
  }

  Table List() {
    const std::string output =
        CrashLoop::RunToEnd({program_, directory_.path() + "/store", "list"});
    Table found;
    for (const absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> words =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      found.insert(words);
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
      if (i + 50 >= sent.size()) loop_.Note(absl::StrCat("  ", sent[i].ToLine().substr(0, 30)));
    }
    EXPECT_TRUE(matched) << "shard " << shard << " holds " << found.size()
                         << " keys that no prefix of " << of_shard << " changes explains";
    *table = std::move(match);
  }

  // Files of the store whose names begin so: "shard-0000/".
  std::vector<std::string> FilesNamed(const std::string& prefix) {
    std::vector<std::string> names;
    const std::string store = directory_.path() + "/store";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(store)) {
      const std::string name = std::filesystem::relative(entry.path(), store);
      if (entry.is_regular_file() && absl::StartsWith(name, prefix)) names.push_back(name);
    }
    return names;
  }

  // After a checkpoint that nobody kills only the newest segments are left, and what they make.
  void ExpectThatCheckpointsTruncate() {
    CrashLoop::RunToEnd({program_, directory_.path() + "/store", "checkpoint"});
    Table all;
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      const std::vector<std::string> segments = FilesNamed(absl::StrCat("shard-000", shard, "/"));
      for (const std::string& name : segments) {
        EXPECT_FALSE(absl::EndsWith(name, "/0000000000000001.wal")) << "it was never truncated";
      }
      EXPECT_LE(segments.size(), 6u) << "shard " << shard;
      all.insert(tables_[shard].begin(), tables_[shard].end());
    }
    EXPECT_EQ(List(), all);
  }

  CrashLoop loop_;
  const std::string program_ = CrashLoop::PathOf("examples/kv_store/kv_store");
  TempDirectory directory_;
  Table tables_[kShards];
};

TEST_F(KvStoreCrashTest, EveryAcknowledgedChangeSurvivesAndNoneIsInvented) {
  size_t acknowledged_ever = 0;
  while (loop_.NextRound()) {
    std::vector<Change> sent;
    size_t acknowledged = 0;
    RunAndKill(&sent, &acknowledged);
    if (HasFailure()) return;
    acknowledged_ever += acknowledged;
    Table found[kShards];
    for (const auto& [key, value] : List()) found[ShardOf(key)][key] = value;
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      CheckShard(shard, sent, acknowledged, found[shard]);
    }
  }
  std::printf("%zu acknowledged changes\n", acknowledged_ever);
  EXPECT_GT(acknowledged_ever, 0u) << "the test never let the store work";
  ExpectThatCheckpointsTruncate();
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::CrashLoop::Main(argc, argv, 12); }
