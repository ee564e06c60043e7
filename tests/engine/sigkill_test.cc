// Kills a process that appends, again and again, and reads its log with the other backend.
//
// A child appends made-up records to one to three shards and says over a pipe which are durable,
// each with its sequence number and LSN. After SIGKILL the log must hold, shard by shard: every
// record that was acknowledged, at its LSN, whole and in order, and beyond them none but the next
// ones in order, no more than were on their way. Then the same log goes on.
//
//   sigkill_test --seed=N --rounds=N
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "tests/engine/child_process.h"
#include "tests/engine/engine_fixture.h"
#include "tools/ack_line.h"
#include "tools/made_record.h"

namespace corewal {
namespace {

constexpr uint32_t kShardsMax = 3;
using SeqPerShard = std::array<uint64_t, kShardsMax>;

uint64_t g_seed = 0;
int g_rounds = 8;

// Mostly small, some of several blocks, a few in pieces over batches and segments.
size_t LengthOf(uint32_t shard, uint64_t seq) {
  std::mt19937_64 random(seq * kShardsMax + shard);
  const uint64_t kind = random() % 100;
  const uint64_t limit = kind < 70 ? 300 : kind < 97 ? 9'000 : 150'000;
  return kMadeNameBytes + random() % limit;
}

std::string RecordOf(uint32_t shard, uint64_t seq) {
  std::string record(LengthOf(shard, seq), '\0');
  MakeRecord(ShardId{shard}, seq, {reinterpret_cast<std::byte*>(record.data()), record.size()});
  return record;
}

EngineOptions OptionsOf(const std::string& directory, const EngineSetting& setting,
                        uint32_t shards) {
  EngineOptions options;
  options.directory = directory;
  options.shards = shards;
  options.shard.io.backend = setting.backend;
  options.shard.io.buffers = 6;
  options.shard.io.buffer_bytes = 64 << 10;
  options.shard.sync_method = setting.sync_method;
  options.shard.segment_bytes = 512 << 10;
  return options;
}

// ---- The child

struct Work {
  std::string directory;
  EngineSetting setting;
  uint32_t shards = 1;
  uint32_t window = 1;  // records on their way, a shard
  SeqPerShard next{};
  std::vector<std::string> ToCommand() const {
    return {"/proc/self/exe",
            "--child",
            directory,
            absl::StrCat(static_cast<int>(setting.backend)),
            absl::StrCat(static_cast<int>(setting.sync_method)),
            absl::StrCat(shards),
            absl::StrCat(window),
            absl::StrCat(next[0]),
            absl::StrCat(next[1]),
            absl::StrCat(next[2])};
  }
  static Work FromCommand(char** words) {
    Work work{.directory = words[0]};
    work.setting = {static_cast<IoBackend>(std::atoi(words[1])),
                    static_cast<SyncMethod>(std::atoi(words[2]))};
    work.shards = static_cast<uint32_t>(std::atoi(words[3]));
    work.window = static_cast<uint32_t>(std::atoi(words[4]));
    for (size_t i = 0; i < kShardsMax; ++i) work.next[i] = std::strtoull(words[5 + i], nullptr, 10);
    return work;
  }
};

void WriteAll(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    CHECK_GT(n, 0);
    text.remove_prefix(static_cast<size_t>(n));
  }
}

int AppendUntilKilled(Work work) {
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open(OptionsOf(work.directory, work.setting, work.shards));
  if (!engine.ok()) {
    std::fprintf(stderr, "child: %s\n", engine.status().ToString().c_str());
    return 1;
  }
  std::array<std::atomic<uint32_t>, kShardsMax> under_way{};
  for (;;) {
    bool moved = false;
    for (uint32_t shard = 0; shard < work.shards; ++shard) {
      if (under_way[shard].load() >= work.window) continue;
      const uint64_t seq = work.next[shard];
      ++under_way[shard];
      const absl::Status accepted = (*engine)->Append(
          ShardId{shard}, BytesOf(RecordOf(shard, seq)), {},
          [&under_way, shard, seq](const absl::StatusOr<Lsn>& lsn) {
            CHECK(lsn.ok()) << lsn.status();
            AckLineBuffer buffer;
            WriteAll(FormatAckLine({.shard = ShardId{shard}, .seq = seq, .lsn = *lsn}, &buffer));
            --under_way[shard];
          });
      if (accepted.ok()) {
        ++work.next[shard];
        moved = true;
      } else {
        CHECK(absl::IsResourceExhausted(accepted)) << accepted;
        --under_way[shard];
      }
    }
    if (!moved) std::this_thread::yield();
  }
}

// ---- The parent

class SigkillTest : public testing::TestWithParam<EngineSetting> {
 protected:
  SigkillTest() : random_(g_seed) {
    std::printf("seed %llu; replay with --seed=%llu\n", static_cast<unsigned long long>(g_seed),
                static_cast<unsigned long long>(g_seed));
    next_.fill(1);
  }
  ~SigkillTest() override {
    if (!HasFailure()) return;
    std::printf("the last actions, seed %llu:\n", static_cast<unsigned long long>(g_seed));
    for (const std::string& action : actions_) std::printf("  %s\n", action.c_str());
  }
  void SetUp() override {
    for (const IoBackend backend : {IoBackend::kPosix, IoBackend::kUring}) {
      if (const absl::Status had = CanHave(backend); !had.ok()) GTEST_SKIP() << had;
    }
  }

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  void Note(std::string action) {
    actions_.push_back(std::move(action));
    if (actions_.size() > 50) actions_.pop_front();
  }
  std::string directory() const { return directory_.path() + "/log"; }

  void TakeAcks(std::string* output) {
    for (size_t end; (end = output->find('\n')) != std::string::npos; output->erase(0, end + 1)) {
      const absl::StatusOr<AckLine> ack = ParseAckLine(output->substr(0, end));
      ASSERT_OK(ack.status());
      std::vector<Lsn>& acked = acked_[ToIndex(ack->shard)];
      ASSERT_EQ(ack->seq, next_[ToIndex(ack->shard)] + acked.size()) << "acknowledged out of order";
      acked.push_back(ack->lsn);
    }
  }

  size_t AckedInAll() const { return acked_[0].size() + acked_[1].size() + acked_[2].size(); }

  void RunAndKill(int round) {
    Work work{.directory = directory(), .setting = GetParam()};
    work.shards = static_cast<uint32_t>(1 + Below(kShardsMax));
    const uint32_t windows[] = {1, 7, 300};
    work.window = window_ = windows[Below(3)];
    work.next = next_;
    for (std::vector<Lsn>& acked : acked_) acked.clear();
    // Sometimes in the middle of opening, else after some work and at no particular moment.
    const size_t enough = Below(6) == 0 ? 0 : 1 + Below(work.window == 1 ? 200 : 1500);
    const std::chrono::microseconds later(Below(enough == 0 ? 30'000 : 3'000));
    ChildProcess child(work.ToCommand());
    std::string no_input, output;
    auto kill_at = std::chrono::steady_clock::time_point::max();
    while (std::chrono::steady_clock::now() < kill_at) {
      if (AckedInAll() >= enough && kill_at == std::chrono::steady_clock::time_point::max()) {
        kill_at = std::chrono::steady_clock::now() + later;
      }
      ASSERT_TRUE(child.Pump(&no_input, &output, 1)) << "the child ended by itself";
      TakeAcks(&output);
      if (HasFatalFailure()) return;
    }
    EXPECT_EQ(child.Kill(), -SIGKILL);
    while (child.Pump(&no_input, &output)) {
    }
    TakeAcks(&output);
    Note(absl::StrCat("round ", round, ": ", work.shards, " shards, window ", work.window,
                      ", acknowledged ", acked_[0].size(), " ", acked_[1].size(), " ",
                      acked_[2].size()));
  }

  // Reads all of `shard` from its first record on; sets next_ to what follows.
  void CheckShard(const Engine& engine, uint32_t shard) {
    SCOPED_TRACE(absl::StrCat("shard ", shard));
    const std::vector<ShardId> on_disk = engine.shards_on_disk();
    if (std::find(on_disk.begin(), on_disk.end(), ShardId{shard}) == on_disk.end()) {
      EXPECT_EQ(next_[shard], 1u);
      EXPECT_TRUE(acked_[shard].empty());
      return;
    }
    absl::StatusOr<std::unique_ptr<ShardReplay>> replay = engine.Replay(ShardId{shard});
    ASSERT_OK(replay.status());
    RecordView record;
    uint64_t seq = 0;
    Lsn last;
    while ((*replay)->Next(&record)) {
      ++seq;
      ASSERT_LT(last, record.lsn);
      last = record.lsn;
      ASSERT_EQ(record.payload.size(), LengthOf(shard, seq)) << "record " << seq;
      ASSERT_TRUE(VerifyMadeRecord(ShardId{shard}, seq, record.payload)) << "record " << seq;
      if (seq >= next_[shard] && seq - next_[shard] < acked_[shard].size()) {
        ASSERT_EQ(record.lsn, acked_[shard][seq - next_[shard]]) << "record " << seq;
      }
    }
    ASSERT_OK((*replay)->status());
    const uint64_t acknowledged = next_[shard] - 1 + acked_[shard].size();
    EXPECT_GE(seq, acknowledged) << "acknowledged records are gone";
    EXPECT_LE(seq, acknowledged + window_) << "more than were ever on their way";
    Note(absl::StrCat("  shard ", shard, " holds ", seq, ", acknowledged ", acknowledged, ", ",
                      engine.recovered_end(ShardId{shard}).ToString()));
    next_[shard] = seq + 1;
  }

  // What was killed is read, and goes on, by the other backend; sometimes without an append.
  void CheckAndGoOn() {
    const EngineSetting other = {OtherBackend(GetParam().backend), GetParam().sync_method};
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        Engine::Open(OptionsOf(directory(), other, kShardsMax));
    ASSERT_OK(engine.status());
    for (uint32_t shard = 0; shard < kShardsMax; ++shard) {
      CheckShard(**engine, shard);
      if (HasFatalFailure()) return;
    }
    for (std::vector<Lsn>& acked : acked_) acked.clear();
    const uint64_t more = Below(2) == 0 ? 0 : Below(20);
    for (uint64_t i = 0; i < more; ++i) {
      const uint32_t shard = static_cast<uint32_t>(Below(kShardsMax));
      ASSERT_OK((*engine)->Post(ShardId{shard}, BytesOf(RecordOf(shard, next_[shard]++))));
    }
    ASSERT_OK((*engine)->Close());
  }

  std::mt19937_64 random_;
  TempDirectory directory_;
  SeqPerShard next_{};  // the first record that the child is to append
  uint32_t window_ = 0;
  std::array<std::vector<Lsn>, kShardsMax> acked_;  // from next_ on
  std::deque<std::string> actions_;
};

TEST_P(SigkillTest, AcknowledgedRecordsSurviveAndTheOtherBackendGoesOn) {
  size_t acknowledged = 0;
  for (int round = 0; round < g_rounds && !HasFailure(); ++round) {
    RunAndKill(round);
    if (HasFatalFailure()) return;
    acknowledged += AckedInAll();
    CheckAndGoOn();
  }
  EXPECT_GT(acknowledged, 0u) << "the test never let the child work";
  std::printf("%d kills, %zu acknowledged records\n", g_rounds, acknowledged);
}

INSTANTIATE_TEST_SUITE_P(Backends, SigkillTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  if (argc == 10 && std::strcmp(argv[1], "--child") == 0) {
    return corewal::AppendUntilKilled(corewal::Work::FromCommand(argv + 2));
  }
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
