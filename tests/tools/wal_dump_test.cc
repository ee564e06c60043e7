// The built wal-dump on logs that are well: what it prints of them.
#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/tools/wal_dump_fixture.h"

namespace corewal {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

using WalDumpTest = WalDumpFixture;

TEST_F(WalDumpTest, TextShowsEveryRecordWithItsPlace) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"one", "two \"quoted\"\n"});
  builder.AddBatch({"three"});
  builder.AddSeal();
  Write(&builder);
  const auto& expected = builder.expected();
  const ProgramResult result = Dump({log()});
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.output,
            absl::StrCat("shard=0 lsn=", expected[0].lsn.value(), " epoch=0 len=3 \"one\"\n",
                         "shard=0 lsn=", expected[1].lsn.value(),
                         " epoch=0 len=13 \"two \\\"quoted\\\"\\x0a\"\n",
                         "shard=0 lsn=", expected[2].lsn.value(), " epoch=0 len=5 \"three\"\n"));
  EXPECT_THAT(result.error, StartsWith("shard 0: "));
}

TEST_F(WalDumpTest, RawIsPayloadsAndNewlinesAndNothingElse) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  std::string expected;
  for (const auto& record : builder.expected()) expected += record.payload + "\n";
  const ProgramResult result = Dump({"--format=raw", log()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, expected);
  EXPECT_EQ(result.error, "");
}

TEST_F(WalDumpTest, JsonIsOneObjectALine) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"text", std::string("\xff")});
  builder.AddSeal();
  Write(&builder);
  EXPECT_EQ(Dump({"--format=json", log()}).output,
            absl::StrCat("{\"shard\":0,\"lsn\":", builder.expected()[0].lsn.value(),
                         ",\"epoch\":0,\"type\":0,\"bytes\":4,\"payload\":\"text\"}\n",
                         "{\"shard\":0,\"lsn\":", builder.expected()[1].lsn.value(),
                         ",\"epoch\":0,\"type\":0,\"bytes\":1,\"payload_base64\":\"/w==\"}\n"));
}

TEST_F(WalDumpTest, ShardsComeOneAfterTheOtherAscending) {
  for (const uint32_t number : {10u, 0u, 2u}) {
    LogBuilder builder;
    builder.StartSegment();
    builder.AddBatch({absl::StrCat("of ", number)});
    builder.AddSeal();
    Write(&builder, number);
  }
  EXPECT_EQ(Dump({"--format=raw", log()}).output, "of 0\nof 2\nof 10\n");
  EXPECT_EQ(Dump({"--format=raw", "--shard=2", log()}).output, "of 2\n");
  EXPECT_EQ(Dump({"--format=raw", shard(10)}).output, "of 10\n");
  EXPECT_THAT(Refusal({"--shard=3", log()}), HasSubstr("--shard=3"));
}

TEST_F(WalDumpTest, SegmentsNamedThemselvesAreReadInTheirOrder) {
  LogBuilder builder;
  for (const char* text : {"first", "second", "third"}) {
    builder.StartSegment();
    builder.AddBatch({text});
  }
  builder.AddSeal();
  Write(&builder);
  EXPECT_EQ(Dump({"--format=raw", log()}).output, "first\nsecond\nthird\n");
  const ProgramResult middle = Dump({"--format=raw", segment(2)});
  EXPECT_EQ(middle.output, "second\n");
  EXPECT_EQ(middle.exit_code, 0) << middle.error;
  EXPECT_EQ(Dump({"--format=raw", segment(3), segment(2)}).output, "second\nthird\n");
  const ProgramResult gap = Dump({"--format=raw", segment(1), segment(3)});
  EXPECT_EQ(gap.output, "first\nthird\n");
  EXPECT_EQ(gap.exit_code, 0) << gap.error;

  fs::copy_file(segment(2), temp_.path() + "/evidence.bin");
  EXPECT_EQ(Dump({"--format=raw", temp_.path() + "/evidence.bin"}).output, "second\n");
  fs::create_symlink(segment(2), temp_.path() + "/link");
  EXPECT_EQ(Dump({"--format=raw", temp_.path() + "/link"}).output, "second\n");
}

TEST_F(WalDumpTest, FiltersChooseRecords) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"apple", "banana", "cherry"});
  builder.AddBatch({"date", "banana split"});
  builder.AddSeal();
  Write(&builder);
  const auto lsn = [&](size_t i) { return absl::StrCat(builder.expected()[i].lsn.value()); };
  const auto raw = [&](std::vector<std::string> arguments) {
    arguments.push_back("--format=raw");
    arguments.push_back(log());
    const ProgramResult result = Dump(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return result.output;
  };
  EXPECT_EQ(raw({"--from=" + lsn(1)}), "banana\ncherry\ndate\nbanana split\n");
  EXPECT_EQ(raw({"--from=" + lsn(1), "--to=" + lsn(3)}), "banana\ncherry\n");
  EXPECT_EQ(raw({"--limit=2"}), "apple\nbanana\n");
  EXPECT_EQ(raw({"--limit=0"}), "");
  EXPECT_EQ(raw({"--grep=banana"}), "banana\nbanana split\n");
  EXPECT_EQ(raw({"--grep=banana", "--limit=1"}), "banana\n");
  EXPECT_EQ(raw({"--epoch=1"}), "");
  EXPECT_EQ(raw({"--epoch=0", "--limit=1"}), "apple\n");
}

TEST_F(WalDumpTest, HeadersStandAboveTheirRecords) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"one", "two"});
  builder.AddSeal();
  Write(&builder);
  const std::string output = Dump({"--headers", log()}).output;
  EXPECT_THAT(output, StartsWith("segment file=" + segment(1) + " version=1 uuid="));
  EXPECT_THAT(output, ContainsRegex("\nbatch shard=0 lsn=4096 offset=4096 [^\n]*records=2 [^\n]*\n"
                                    "shard=0 [^\n]*\"one\"\nshard=0 [^\n]*\"two\"\n"
                                    "batch shard=0 lsn=8192 [^\n]*flags=seal\n$"));
}

// Each batch is printed, also those that have no record to be printed above: the seal that ended an
// earlier opening stands between two batches with records.
TEST_F(WalDumpTest, HeadersShowTheSealThatEndedAnEarlierOpening) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"one"});
  builder.AddSeal();
  builder.Reopen();
  builder.StartSegment();
  builder.AddBatch({"two"});
  builder.AddSeal();
  Write(&builder);
  EXPECT_THAT(Dump({"--headers", log()}).output,
              ContainsRegex("^segment [^\n]*\nbatch [^\n]*lsn=4096 [^\n]*flags=none\n"
                            "shard=0 [^\n]*\"one\"\nbatch [^\n]*lsn=8192 [^\n]*flags=seal\n"
                            "segment [^\n]*\nbatch [^\n]*flags=none\nshard=0 [^\n]*\"two\"\n"
                            "batch [^\n]*flags=seal\n$"));
  // With a choice of records, only the headers above them.
  EXPECT_THAT(Dump({"--headers", "--grep=two", log()}).output,
              ContainsRegex("^segment [^\n]*\nbatch [^\n]*flags=none\nshard=0 [^\n]*\"two\"\n$"));
}

TEST_F(WalDumpTest, SummaryAndVerifySayHowMuchAndHowItEnds) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  const ProgramResult summary = Dump({"--summary", log()});
  EXPECT_EQ(summary.exit_code, 0);
  EXPECT_THAT(summary.output,
              AllOf(StartsWith("shard 0: " + shard(0) + "\n"), ContainsRegex("records +12\n"),
                    ContainsRegex("payload +1200 bytes\n"), HasSubstr(TestUuid().ToString())));
  const ProgramResult verify = Dump({"--verify", log()});
  EXPECT_EQ(verify.exit_code, 0);
  EXPECT_THAT(verify.output,
              StartsWith("shard 0: ok: 12 records, 1200 payload bytes in 1 segment;"));
  const ProgramResult json = Dump({"--verify", "--format=json", log()});
  EXPECT_THAT(json.output, AllOf(StartsWith("{\"verify\":{\"shard\":0,"),
                                 HasSubstr("\"records\":12,"), HasSubstr("\"end\":\"sealed\"")));
  EXPECT_THAT(Dump({"--summary", "--format=json", log()}).output,
              AllOf(StartsWith("{\"summary\":{\"shard\":0,"), HasSubstr("\"records\":12,")));
}

TEST_F(WalDumpTest, APipeWhoseReaderHasGoneEndsQuietly) {
  LogBuilder builder(8 << 20);
  builder.StartSegment();
  for (int i = 0; i < 1000; ++i) builder.AddBatch({std::string(4000, 'x')});
  Write(&builder);
  const ProgramResult result = RunProgram(
      {.program = "/bin/sh",
       .arguments = {"-c", "{ \"$0\" --format=raw \"$1\"; echo \"exit $?\" >&2; } | head -c 1",
                     ProgramPath(kDump), log()}});
  EXPECT_EQ(result.output, "x");
  EXPECT_EQ(result.error, "exit 0\n");
}

TEST_F(WalDumpTest, HelpIsOneScreenAndStartsWithExamples) {
  const ProgramResult result = Dump({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_LE(std::count(result.output.begin(), result.output.end(), '\n'), 40);
  EXPECT_LT(result.output.find("wal-dump --verify DIR"), result.output.find("--headers"));
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  EXPECT_EQ(Dump({"--version"}).output, "wal-dump 0.1.0 (format 1)\n");
}

}  // namespace
}  // namespace corewal
