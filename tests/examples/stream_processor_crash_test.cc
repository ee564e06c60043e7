// Kills the stream processor while it works, again and again, and compares its output with what a
// plain computation gives.
//
// After each kill the output must be a beginning of that, but for a last line cut short; before its
// cursor nothing may be missing. At the end, when it was let go on to its own end, it must be all
// of it: each line of the input exactly once, per partition in the input's order, with increasing
// LSNs.
//
//   stream_processor_crash_test --seed=N --rounds=N --seconds=N    (crash_loop.h)
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "examples/common/partition.h"
#include "tests/examples/crash_loop.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

constexpr int kRounds = 12;
constexpr int kKeys = 300;

class StreamProcessorCrashTest : public testing::Test {
 protected:
  // More lines than the program takes between two kills, and totals that a line too many, too few
  // or out of order would change.
  void GrowInput(size_t lines) {
    std::ofstream out(input(), std::ios::app);
    for (size_t i = 0; i < lines; ++i) {
      const std::string key = absl::StrCat("k", loop_.Below(kKeys));
      const uint64_t amount = loop_.Below(1'000'000);
      const uint32_t partition = examples::PartitionOf(key, partitions_);
      const uint64_t total = totals_[key] += amount;
      out << key << ' ' << amount << '\n';
      expected_[partition].push_back(absl::StrCat(++lines_, " ", key, " ", total));
    }
  }

  // What an output has now, whole lines without their LSNs, which must increase.
  std::vector<std::string> Output(uint32_t partition) const {
    std::ifstream in(absl::StrCat(directory(), "/output-", partition));
    std::vector<std::string> found;
    uint64_t before = 0;
    for (std::string line; std::getline(in, line) && !in.eof();) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      uint64_t lsn = 0;
      EXPECT_TRUE(absl::SimpleAtoi(parts.first, &lsn) && lsn > before) << line;
      before = lsn;
      found.push_back(parts.second);
    }
    return found;
  }

  // Each output is a beginning of what it must become. Returns how many lines they have together.
  size_t ExpectBeginnings() const {
    size_t lines = 0;
    for (uint32_t partition = 0; partition < partitions_; ++partition) {
      const std::vector<std::string> found = Output(partition);
      const std::vector<std::string>& expected = expected_[partition];
      EXPECT_LE(found.size(), expected.size());
      for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
        EXPECT_EQ(found[i], expected[i]) << "partition " << partition << ", line " << i;
        if (HasFailure()) return lines;
      }
      EXPECT_GE(found.size(), told_[partition]) << "lines that it had said to be done are gone";
      lines += found.size();
    }
    return lines;
  }

  // "partition P: done up to line N"
  void ReadAnswer(const std::string& line) {
    uint32_t partition = 0;
    uint64_t number = 0;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    ASSERT_EQ(words.size(), 7u) << line;
    ASSERT_TRUE(absl::SimpleAtoi(words[1].substr(0, words[1].size() - 1), &partition)) << line;
    ASSERT_TRUE(absl::SimpleAtoi(words[6], &number)) << line;
    ASSERT_LT(partition, partitions_);
    size_t& told = told_[partition];
    const std::vector<std::string>& expected = expected_[partition];
    const auto number_of = [&](size_t i) {
      return std::strtoull(expected[i].c_str(), nullptr, 10);
    };
    while (told < expected.size() && number_of(told) <= number) ++told;
    ++commits_;
  }

  std::string directory() const { return directory_.path() + "/totals"; }
  std::string input() const { return directory_.path() + "/input"; }

  CrashLoop loop_;
  const std::string program_ = CrashLoop::PathOf("examples/stream_processor/stream_processor");
  TempDirectory directory_;
  const uint32_t partitions_ = 3;
  std::map<std::string, uint64_t> totals_;
  std::vector<std::string> expected_[3];
  size_t told_[3] = {};  // lines of each output that must be there
  uint64_t lines_ = 0;
  uint64_t commits_ = 0;
};

TEST_F(StreamProcessorCrashTest, EachLineOfTheInputCountsExactlyOnce) {
  std::filesystem::create_directories(directory());
  std::ofstream(directory() + "/partitions") << partitions_ << '\n';
  while (loop_.NextRound()) {
    GrowInput(15'000);
    const uint64_t enough = commits_ + loop_.Below(20);
    const bool uring = loop_.Below(2) == 0;
    loop_.RunAndKill(
        {.command = {program_, directory(), input()},
         .environment = {absl::StrCat("COREWAL_IO_URING=", uring ? "on" : "off")},
         .answer = [this](const std::string& line) { ReadAnswer(line); },
         .enough = [&] { return commits_ >= enough; },
         .later = std::chrono::microseconds(loop_.Below(loop_.Below(3) == 0 ? 30'000 : 3000)),
         .may_end = true});
    if (HasFailure()) return;
    loop_.Note(absl::StrCat(uring ? "uring" : "posix", ": ", ExpectBeginnings(), " lines of ",
                            lines_, ", ", commits_, " commits"));
  }
  const int kills = loop_.kills();
  EXPECT_GE(kills, loop_.round() / 2) << "mostly it had ended before it was killed";
  CrashLoop::RunToEnd({program_, directory(), input()});
  EXPECT_EQ(ExpectBeginnings(), lines_) << "all, and so each exactly once";
  std::printf("%llu lines, %llu commits\n", static_cast<unsigned long long>(lines_),
              static_cast<unsigned long long>(commits_));
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::CrashLoop::Main(argc, argv, corewal::kRounds); }
