// A tool that is interrupted ends in order, and at once.
//
// Not under ThreadSanitizer: g++ 12's drops a signal now and then that comes just after a write,
// also of a program of twenty lines. There the next one is seen; for a user's second Ctrl-C that is
// too late, as it ends the process.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/wal_bench_fixture.h"

namespace corewal {
namespace {

namespace fs = std::filesystem;

class InterruptTest : public WalBenchFixture {};

TEST_F(InterruptTest, ARunOfWalBenchEndsInOrder) {
  const Ended ended = Shell("rm -f acks; " + Tool("wal-bench") + Quick() +
                            "--workload=commit --seconds=60 --acks=acks --json=json & pid=$!; "
                            "until [ -s acks ]; do kill -0 $pid || exit 9; done; "
                            "kill -INT $pid; wait $pid");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(JsonValue(ReadWholeFile(root() + "/json"), "interrupted"), "true");
  EXPECT_NE(JsonValue(ReadWholeFile(root() + "/json"), "records"), "0");
  EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(InterruptTest, AFollowOfWalDumpEnds) {
  ASSERT_EQ(Bench(Quick() + "--workload=commit --records=5 --keep").exit_code, 0);
  const Ended ended = Shell(Tool("wal-dump") + " --follow " + dir() +
                            " >records & pid=$!; until [ -s records ]; do "
                            "kill -0 $pid || exit 9; done; kill -INT $pid; wait $pid");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
}

}  // namespace
}  // namespace corewal
