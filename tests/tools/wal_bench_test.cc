// The built wal-bench: its flags, its directory, its workloads beside one another.
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/wal_bench_fixture.h"

namespace corewal {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

class WalBenchTest : public WalBenchFixture {};

TEST_F(WalBenchTest, HelpFitsAScreenAndStartsWithExamples) {
  const Ended help = Bench("--help");
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_LE(Lines(help.out).size(), 40u);
  EXPECT_THAT(Lines(help.out)[2], HasSubstr("wal-bench  "));
  for (const std::string& line : Lines(help.out)) EXPECT_LE(line.size(), 100u) << line;
  EXPECT_THAT(Bench("--version").out, HasSubstr("wal-bench "));
}

TEST_F(WalBenchTest, ABadFlagIsOneLineThatNamesIt) {
  const std::pair<const char*, const char*> kBad[] = {
      {"--nope", "--nope"},
      {"--compare=io=uring,posix", "--compare"},  // of which workload?
      {"--workload=commit --compare=io=posix", "--compare"},
      {"--workload=commit --compare=json=a,b", "--compare"},
      {"--workload=commit --compare=io=posix,posix", "--compare"},
      {"--workload=commit --compare=io=posix,nope", "--io=nope"},
      {"--workload=commit --compare=io=posix,uring --keep", "--keep"},
      {"--workload=mixed --embedded", "--embedded"},
      {"--workload=mixd", "--workload=mixd"},
      {"--html=/nonexistent/x", "/nonexistent/x"},
      {"--html=-", "--html"},
      {"--io=foo", "--io=foo"},
      {"--sync=maybe", "--sync=maybe"},
      {"--direct=yes", "--direct=yes"},
      {"--floor=maybe", "--floor"},
      {"--record_bytes=12x", "--record_bytes"},
      {"--record_bytes=9-3", "--record_bytes"},
      {"--clients=0", "--clients=0"},
      {"--clients=x", "--clients"},
      {"--shards=9999", "--shards=9999"},
      {"--inflight=0", "--inflight=0"},
      {"--seconds=-1", "--seconds=-1"},
      {"--seconds=nan", "--seconds"},
      {"--mb", "--mb"},
      {"--buffer_kb=5", "--buffer_kb=5"},
      {"--dir=", "--dir"},
      {"--shards=2 --clients=1", "--clients"},
      {"--embedded --clients=2", "--embedded"},
      {"--input=x --clients=2", "--input"},
      {"--input=missing", "missing"},
      {"--workload=recover --acks=-", "--acks"},
      {"--acks=- --json=- --workload=commit", "--json=-"},
      {"--json=/nonexistent/x", "/nonexistent/x"},
      {"stray", "stray"},
  };
  for (const auto& [flags, named] : kBad) {
    const Ended ended = Bench(flags);
    EXPECT_EQ(ended.exit_code, 1) << flags;
    EXPECT_THAT(ended.out, IsEmpty()) << flags;
    EXPECT_EQ(Lines(ended.err).size(), 1u) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(named));
    EXPECT_FALSE(fs::exists(root() + "/corewal-bench")) << flags;
  }
}

TEST_F(WalBenchTest, AnUnusableDirectoryIsOneLineAndStaysAsItIs) {
  std::ofstream(root() + "/file") << "x";
  fs::create_directories(root() + "/foreign");
  std::ofstream(root() + "/foreign/precious") << "x";
  for (const char* dir : {"file", "file/below", "foreign", "/proc/corewal"}) {
    const Ended ended = Bench("--workload=commit --records=1 --dir=" + std::string(dir));
    EXPECT_EQ(ended.exit_code, 1) << dir;
    EXPECT_EQ(Lines(ended.err).size(), 1u) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(dir));
  }
  EXPECT_EQ(ReadWholeFile(root() + "/foreign/precious"), "x");
  EXPECT_EQ(ReadWholeFile(root() + "/file"), "x");
}

TEST_F(WalBenchTest, OnlyWhatBelongsToTheLogIsRemoved) {
  fs::create_directories(dir());
  ASSERT_EQ(Bench(Quick() + "--workload=commit --records=5").exit_code, 0);
  EXPECT_TRUE(fs::exists(dir())) << "it was there before";
  EXPECT_TRUE(fs::is_empty(dir()));
}

TEST_F(WalBenchTest, AComparisonRunsEachValueAndSaysWhichIsWhich) {
  const Ended ended = Bench("--dir=" + dir() + " --floor=off --segment_mb=1 --workload=commit " +
                            "--compare=sync=datasync,dsync --records=100 --json=json");
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const std::vector<std::string> runs = Lines(ReadWholeFile(root() + "/json"));
  ASSERT_EQ(runs.size(), 2u);
  const char* const kMethods[] = {"datasync", "dsync"};
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(JsonValue(runs[i], "compared"), "\"sync=" + std::string(kMethods[i]) + "\"");
    EXPECT_EQ(JsonValue(runs[i], "sync_method"), "\"" + std::string(kMethods[i]) + "\"");
    EXPECT_EQ(JsonValue(runs[i], "records"), "300") << "three rounds";
    EXPECT_EQ(JsonValue(runs[i], "verified_records"), "300");
  }
  EXPECT_THAT(ended.out, HasSubstr("sync=datasync        sync=dsync\n"));
  EXPECT_THAT(ended.out, HasSubstr("spread of the rounds"));
  EXPECT_FALSE(fs::exists(dir()));
}

// Far more than the segments that are kept: what the reader has read goes, and is used again.
TEST_F(WalBenchTest, AMixedRunReadsAllAndTruncatesWhatItHasRead) {
  const Ended ended =
      Bench("--dir=" + dir() + " --floor=off --segment_mb=1 --sync=datasync " +
            "--workload=mixed --shards=2 --mb=40 --record_bytes=100-3000 " + "--json=json --keep");
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const std::string json = ReadWholeFile(root() + "/json");
  EXPECT_EQ(JsonValue(json, "reader_records"), JsonValue(json, "records"));
  EXPECT_EQ(JsonValue(json, "verified_records"), JsonValue(json, "records"));
  EXPECT_EQ(JsonValue(json, "verify_errors"), "0");
  EXPECT_GE(std::stoul(JsonValue(json, "truncations")), 2u);
  uint64_t left = 0;
  for (const auto& entry : fs::recursive_directory_iterator(dir())) {
    if (entry.is_regular_file()) left += entry.file_size();
  }
  EXPECT_LT(left, 30'000'000u) << "of 40 MB appended";
}

}  // namespace
}  // namespace corewal
