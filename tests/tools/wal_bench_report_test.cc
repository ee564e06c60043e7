// What the built wal-bench reports: for programs every key, for people a table that fits.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/wal_bench_fixture.h"

namespace corewal {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
namespace fs = std::filesystem;

class WalBenchReportTest : public WalBenchFixture {
 protected:
  // With a short --dir: what the user names is not ours to cut.
  static void ExpectToFit(const std::string& table) {
    EXPECT_FALSE(table.empty());
    for (const std::string& line : Lines(table)) {
      if (line.rfind("note: ", 0) == 0) continue;  // a sentence, for the terminal to break
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
};

TEST_F(WalBenchReportTest, EveryKeyIsThereAbsentFiguresAreNullAndTheTableFitsAHundredColumns) {
  for (const std::string workload : {"commit", "stream", "recover", "probe"}) {
    const std::string length = workload == "recover" ? "--mb=2" : "--records=200";
    const Ended ended = Bench("--json=json --segment_mb=16 --dir=log --workload=" + workload +
                              (workload == "probe" ? "" : " " + length));
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    ExpectToFit(ended.out);
    const std::string json = ReadWholeFile(root() + "/json");
    ASSERT_EQ(Lines(json).size(), 1u) << "one object per run";
    for (const char* key : {"workload",
                            "io",
                            "record_bytes",
                            "clients",
                            "inflight",
                            "shards",
                            "embedded",
                            "seconds",
                            "records",
                            "records_per_s",
                            "mb_per_s",
                            "p50_us",
                            "p99_us",
                            "p999_us",
                            "max_us",
                            "cpu_us_per_record",
                            "syncs",
                            "writes",
                            "bytes_written",
                            "write_amplification",
                            "sync_method",
                            "direct",
                            "sqpoll",
                            "registered_buffers",
                            "registered_files",
                            "fallback_reason",
                            "file_system",
                            "floor_commits_per_s",
                            "floor_p50_us",
                            "floor_mb_per_s",
                            "floor_read_mb_per_s",
                            "ratio_to_floor",
                            "verified_records",
                            "verify_errors"}) {
      EXPECT_NE(JsonValue(json, key), "absent") << workload << " " << key;
    }
    EXPECT_EQ(JsonValue(json, "workload"), "\"" + workload + "\"");
    const bool commit = workload == "commit" || workload == "probe";
    EXPECT_EQ(JsonValue(json, "floor_commits_per_s") != "null", commit) << workload;
    EXPECT_EQ(JsonValue(json, "floor_read_mb_per_s") != "null", workload == "recover");
    EXPECT_EQ(JsonValue(json, "ratio_to_floor") != "null", workload != "probe") << workload;
    EXPECT_THAT(JsonValue(json, "verify_errors"), AnyOf("0", "null"));
    EXPECT_FALSE(fs::exists(dir())) << "it was made by the run, and goes with it";
  }
}

TEST_F(WalBenchReportTest, TablesWithoutAFloorFitToo) {
  for (const std::string flags :
       {"--workload=mixed --mb=1", "--workload=commit --records=9 --compare=inflight=1,2,3,4"}) {
    const Ended ended = Bench("--dir=log --floor=off --segment_mb=1 " + flags);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    ExpectToFit(ended.out);
  }
}

TEST_F(WalBenchReportTest, JsonOnStandardOutputIsAlone) {
  const Ended ended = Bench(Quick() + "--workload=commit --records=9 --json=-");
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  ASSERT_EQ(Lines(ended.out).size(), 1u);
  EXPECT_EQ(JsonValue(ended.out, "records"), "9");
}

// Not being able to prepare is no full disk: the advice for one would be wrong.
TEST_F(WalBenchReportTest, WhyNoSegmentCanBePreparedIsNamed) {
  for (const std::string flags :
       {"--workload=stream", "--workload=stream --embedded", "--workload=commit --inflight=4",
        "--workload=commit --embedded"}) {
    const Ended ended =
        Shell("strace --follow-forks --output=/dev/null " +
              std::string("--inject=fallocate:error=EIO:when=4+ ") + Tool("wal-bench") + Quick() +
              flags + " --io=posix --record_bytes=100000 --mb=30");
    EXPECT_EQ(ended.exit_code, 1) << flags;
    EXPECT_EQ(Lines(ended.err).size(), 1u) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("wal-bench: the log takes no more records: preparing"));
    EXPECT_THAT(ended.err, EndsWith("(EIO)\n")) << flags;
  }
}

}  // namespace
}  // namespace corewal
