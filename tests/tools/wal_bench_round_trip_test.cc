// What goes into the built wal-bench as lines comes out of wal-dump as it was.
#include <filesystem>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/wal_bench_fixture.h"

namespace corewal {
namespace {

namespace fs = std::filesystem;

class WalBenchRoundTripTest : public WalBenchFixture,
                              public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    const Ended tried = Bench(Quick() + "--workload=commit --records=1 --io=" + GetParam());
    if (tried.exit_code != 0) GTEST_SKIP() << tried.err;
  }
};

TEST_P(WalBenchRoundTripTest, TheLinesOfAFileComeBackAsTheyWere) {
  const std::string mebibyte(1 << 20, 'm');
  const std::string contents[] = {"",
                                  "\n",
                                  "one\ntwo\n",
                                  "no newline at the end",
                                  "a\n\n\nb\n\n",
                                  mebibyte + "\nshort\n" + mebibyte + mebibyte + "\n",
                                  std::string("zero \0 and \xff\x80\r\n", 13)};
  const char* const modes[] = {"", "--embedded", "--workload=commit --inflight=3"};
  size_t round = 0;
  for (const std::string& content : contents) {
    for (const char* mode : modes) {
      // Of the small ones, each in a mode of its own.
      if (content.size() < mebibyte.size() && mode != modes[round % std::size(modes)]) continue;
      const std::string flags = Quick() + "--keep --io=" + GetParam() + " " + mode;
      const Ended ended = Bench(flags + " --input=" + Input(content));
      ASSERT_EQ(ended.exit_code, 0) << ended.err;
      std::string expected = content;
      if (!expected.empty() && expected.back() != '\n') expected += '\n';
      EXPECT_TRUE(Raw().out == expected) << content.size() << " bytes, " << mode;
      fs::remove_all(dir());
    }
    ++round;
  }
}

TEST_P(WalBenchRoundTripTest, StandardInputIsReadToItsEnd) {
  const std::string input = Input("one\n\nthree");
  const Ended ended = Shell("cat " + input + " | " + Tool("wal-bench") + Quick() +
                            "--keep --json=- --input=- --io=" + GetParam());
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(JsonValue(ended.out, "verified_records"), "3");
  EXPECT_EQ(Raw().out, "one\n\nthree\n");
}

INSTANTIATE_TEST_SUITE_P(Backends, WalBenchRoundTripTest, testing::Values("posix", "uring"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace corewal
