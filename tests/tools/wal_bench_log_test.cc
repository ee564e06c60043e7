// What the built wal-bench leaves in the log: all that it says it did, also when it was killed.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/wal_bench_fixture.h"
#include "tools/ack_line.h"

namespace corewal {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class WalBenchLogTest : public WalBenchFixture {};

TEST_F(WalBenchLogTest, WhatIsWrittenIsCountedAndVerified) {
  for (const std::string flags :
       {"--workload=commit", "--workload=commit --embedded --inflight=16",
        "--workload=commit --clients=8 --inflight=4 --shards=2",
        "--workload=stream --clients=3 --shards=3 --record_bytes=zipf:0-70000",
        "--workload=stream --embedded --shards=2 --record_bytes=0-9",
        "--workload=stream --clients=4 --record_bytes=100K"}) {
    const Ended ended = Bench(Quick() + flags + " --records=1234 --json=-");
    ASSERT_EQ(ended.exit_code, 0) << flags << "\n" << ended.err;
    EXPECT_EQ(JsonValue(ended.out, "records"), "1234") << flags;
    EXPECT_EQ(JsonValue(ended.out, "verified_records"), "1234") << flags;
    EXPECT_EQ(JsonValue(ended.out, "verify_errors"), "0") << flags;
  }
}

TEST_F(WalBenchLogTest, AcksOnlyGrowAndEndAtTheLastRecord) {
  for (const std::string flags :
       {"--workload=commit", "--workload=commit --clients=4 --inflight=5", "--workload=stream",
        "--workload=commit --embedded", "--workload=stream --embedded"}) {
    const Ended ended = Bench(Quick() + flags + " --records=500 --acks=-");
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    AckLine last;
    for (const std::string& line : Lines(ended.out)) {
      const auto ack = ParseAckLine(line);
      ASSERT_TRUE(ack.ok()) << ack.status();
      EXPECT_GT(ack->seq, last.seq) << flags;
      EXPECT_GT(ack->lsn, last.lsn) << flags;
      last = *ack;
    }
    EXPECT_EQ(last.seq, 500u) << flags;
  }
}

TEST_F(WalBenchLogTest, ResumeGoesOnBehindTheLastRecord) {
  ASSERT_EQ(Bench(Quick() + "--workload=commit --records=100 --keep").exit_code, 0);
  const Ended refused = Bench(Quick() + "--workload=commit --records=1");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--resume"));
  for (const std::string more : {"--workload=stream", "--workload=commit --embedded"}) {
    const uint64_t before = more == "--workload=stream" ? 100 : 150;
    const Ended resumed = Bench(Quick() + more + " --resume --records=50 --json=json --acks=-");
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_GT(ParseAckLine(Lines(resumed.out).front())->seq, before);
    EXPECT_EQ(ParseAckLine(Lines(resumed.out).back())->seq, before + 50);
    EXPECT_EQ(JsonValue(ReadWholeFile(root() + "/json"), "verified_records"),
              std::to_string(before + 50));
  }
  EXPECT_TRUE(fs::exists(dir())) << "a log that was there before is never removed";
}

TEST_F(WalBenchLogTest, ResumeAppendsNothingBehindRecordsThatAreNotOurs) {
  ASSERT_EQ(Bench(Quick() + "--keep --input=" + Input("somebody\nelse\n")).exit_code, 0);
  const Ended resumed = Bench(Quick() + "--workload=commit --resume --records=5");
  EXPECT_EQ(resumed.exit_code, 2);
  EXPECT_THAT(resumed.out, HasSubstr("record 1"));
  EXPECT_EQ(Raw().out, "somebody\nelse\n");
}

TEST_F(WalBenchLogTest, EveryAcknowledgedRecordSurvivesAKill) {
  for (const std::string flags : {"--workload=commit --clients=4", "--workload=commit --embedded",
                                  "--workload=stream --embedded", "--workload=stream"}) {
    const Ended killed = Shell("rm -f acks; " + Tool("wal-bench") + Quick() + flags +
                               " --seconds=60 --acks=acks & pid=$!; "
                               "until [ \"$(wc -l 2>/dev/null <acks || echo 0)\" -ge 20 ]; do "
                               "kill -0 $pid || exit 9; sleep 0.01; done; kill -9 $pid; wait $pid");
    ASSERT_EQ(killed.exit_code, 128 + 9) << killed.err;
    const Ended checked = Shell(Tool("wal-dump") + " --check_acks=acks " + dir());
    EXPECT_EQ(checked.exit_code, 0) << flags << "\n" << checked.out << checked.err;
    const Ended resumed = Bench(Quick() + "--workload=commit --resume --records=10");
    EXPECT_EQ(resumed.exit_code, 0) << flags << "\n" << resumed.out << resumed.err;
    fs::remove_all(dir());
  }
}

}  // namespace
}  // namespace corewal
