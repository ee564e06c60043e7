// The built wal-dump on what the engine writes, while it writes it.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/tools/wal_dump_fixture.h"

namespace corewal {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class WalDumpLiveTest : public WalDumpFixture {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.directory = log();
    options.shards = 2;
    options.shard.segment_bytes = 1 << 20;
    absl::StatusOr<std::unique_ptr<Engine>> opened = Engine::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  // Appends the shard's next made record and waits until it is durable.
  void AppendDurable(uint32_t shard, size_t length) {
    const std::string record = MadeRecord(shard, ++seq_[shard], length);
    absl::StatusOr<AppendFuture> future = engine_->Append(ShardId{shard}, AsBytes(record));
    ASSERT_TRUE(future.ok()) << future.status();
    const absl::StatusOr<Lsn> lsn = future->Wait();
    ASSERT_TRUE(lsn.ok()) << lsn.status();
    absl::StrAppend(&acks_, "ACK shard=", shard, " seq=", seq_[shard], " lsn=", lsn->value(), "\n");
  }
  ProgramResult Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    return RunProgram({.program = kDump, .arguments = arguments, .input = input});
  }

  std::unique_ptr<Engine> engine_;
  uint64_t seq_[2] = {0, 0};
  std::string acks_;
};

TEST_F(WalDumpLiveTest, AnOpenLogIsReadWithoutItsLock) {
  for (int i = 0; i < 50; ++i) {
    AppendDurable(0, 1000);
    AppendDurable(1, 1000);
  }
  const ProgramResult open = Run({"--check_acks=-", log()}, acks_);
  EXPECT_EQ(open.exit_code, 0) << open.output << open.error;
  EXPECT_EQ(open.output,
            "check_acks: shard 0: 50 acknowledged, 50 found, in order, content verified\n"
            "check_acks: shard 1: 50 acknowledged, 50 found, in order, content verified\n");
  ASSERT_TRUE(engine_->Close().ok());
  const ProgramResult closed = Dump({"--verify", log()});
  EXPECT_EQ(closed.exit_code, 0) << closed.error;
  EXPECT_THAT(closed.output, StartsWith("shard 0: ok: 50 records, 50000 payload bytes"));
  EXPECT_THAT(closed.output, HasSubstr("shard 1: ok: 50 records"));
  EXPECT_THAT(closed.output, HasSubstr("sealed"));
}

// Over several segments; each run sees at least what was acknowledged before it began.
TEST_F(WalDumpLiveTest, ALogThatGrowsMeanwhileIsNeverCalledDamaged) {
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    // At most 100 MB, should the runs of wal-dump be slow.
    for (int i = 0; i < 2000 && !stop.load(); ++i) {
      AppendDurable(0, 50'000);
      acknowledged.store(seq_[0]);
    }
  });
  for (int run = 0; run < 10; ++run) {
    const uint64_t before = acknowledged.load();
    const ProgramResult result = Run({"--check_acks=-", "--shard=0", log()});
    EXPECT_EQ(result.exit_code, 0) << result.output << result.error;
    const size_t found = result.output.find(" acknowledged, ");
    if (found == std::string::npos) break;
    EXPECT_GE(std::stoull(result.output.substr(found + 15)), before) << result.output;
  }
  stop.store(true);
  writer.join();
  EXPECT_TRUE(engine_->Close().ok());
  EXPECT_EQ(Run({"--check_acks=-", log()}, acks_).exit_code, 0);
}

// Each record shows up while the writer goes on, over several segments; the end is that of
// --limit. What is compared is the whole output.
TEST_F(WalDumpLiveTest, FollowPrintsWhatBecomesDurableUntilItsLimit) {
  std::string expected;
  std::string output;
  std::thread follower([&] {
    const ProgramResult result =
        Run({"--follow", "--format=raw", "--shard=0", "--limit=120", log()});
    EXPECT_EQ(result.exit_code, 0) << result.error;
    output = result.output;
  });
  for (int i = 0; i < 120; ++i) AppendDurable(0, 20'000);
  for (uint64_t seq = 1; seq <= 120; ++seq) expected += MadeRecord(0, seq, 20'000) + "\n";
  // The seal of the idle, open log is the witness for the last of them.
  follower.join();
  EXPECT_TRUE(output == expected) << output.size() << " of " << expected.size() << " bytes";
  EXPECT_TRUE(engine_->Close().ok());
}

// The reader of the pipe goes while the log is idle: there is no write to fail.
TEST_F(WalDumpLiveTest, FollowEndsQuietlyWhenItsReaderHasGone) {
  AppendDurable(0, 100);
  const std::string command = ProgramPath(kDump) + " --follow " + log() + " | head -n 1";
  const ProgramResult result =
      RunProgram({.program = "/bin/bash", .arguments = {"-c", "set -o pipefail; " + command}});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.error, "");
  EXPECT_THAT(result.output, StartsWith("shard=0 lsn="));
}

TEST_F(WalDumpLiveTest, FollowWantsADirectoryAndRecords) {
  AppendDurable(0, 100);
  EXPECT_THAT(Run({"--follow", "--verify", log()}).error, HasSubstr("--follow"));
  EXPECT_THAT(Run({"--follow", segment(1)}).error, HasSubstr("name a directory"));
}

}  // namespace
}  // namespace corewal
