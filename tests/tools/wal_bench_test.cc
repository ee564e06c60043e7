// Drives the wal-bench binary the way users do, and wal-dump to look at what it left.
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ack_line.h"

namespace corewal {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

std::string Tool(const std::string& name) {
  return std::string(std::getenv("TEST_SRCDIR")) + "/" + std::getenv("TEST_WORKSPACE") + "/tools/" +
         name;
}
std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}
// The value of a key in one of our flat JSON objects, as text.
std::string Value(const std::string& json, const std::string& key) {
  const std::string quoted = "\"" + key + "\": ";
  const size_t at = json.find(quoted);
  if (at == std::string::npos) return "absent";
  const size_t begin = at + quoted.size();
  return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

struct Ended {
  int exit_code;
  std::string out, err;
};

class WalBenchTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    fs::create_directories(root_);
    dir_ = root_ + "/log";
  }
  void TearDown() override { fs::remove_all(root_); }

  Ended Shell(const std::string& command) {
    const std::string out = root_ + "/out", err = root_ + "/err";
    const int status =
        std::system(("cd " + root_ + " && { " + command + "; } >" + out + " 2>" + err).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFile(out), ReadFile(err)};
  }
  Ended Bench(const std::string& flags) { return Shell(Tool("wal-bench") + " " + flags); }
  // Small and quick: no floor, no probing, small segments.
  std::string Quick() const {
    return " --dir=" + dir_ + " --floor=off --sync=datasync --segment_mb=1 ";
  }
  Ended Raw() { return Shell(Tool("wal-dump") + " --format=raw " + dir_); }
  std::string Input(const std::string& content) {
    std::ofstream(root_ + "/input", std::ios::binary) << content;
    return root_ + "/input";
  }

  std::string root_, dir_;
};

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
    EXPECT_FALSE(fs::exists(root_ + "/corewal-bench")) << flags;
  }
}

TEST_F(WalBenchTest, AnUnusableDirectoryIsOneLineAndStaysAsItIs) {
  std::ofstream(root_ + "/file") << "x";
  fs::create_directories(root_ + "/foreign");
  std::ofstream(root_ + "/foreign/precious") << "x";
  for (const char* dir : {"file", "file/below", "foreign", "/proc/corewal"}) {
    const Ended ended = Bench("--workload=commit --records=1 --dir=" + std::string(dir));
    EXPECT_EQ(ended.exit_code, 1) << dir;
    EXPECT_EQ(Lines(ended.err).size(), 1u) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(dir));
  }
  EXPECT_EQ(ReadFile(root_ + "/foreign/precious"), "x");
  EXPECT_EQ(ReadFile(root_ + "/file"), "x");
}

TEST_F(WalBenchTest, EveryKeyIsThereAndAbsentFiguresAreNull) {
  for (const std::string workload : {"commit", "stream", "recover", "probe"}) {
    const std::string length = workload == "recover" ? "--mb=2" : "--records=200";
    const Ended ended = Bench("--json=- --segment_mb=16 --dir=" + dir_ + " --workload=" + workload +
                              (workload == "probe" ? "" : " " + length));
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    ASSERT_EQ(Lines(ended.out).size(), 1u) << "one object per run, and nothing else";
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
      EXPECT_NE(Value(ended.out, key), "absent") << workload << " " << key;
    }
    EXPECT_EQ(Value(ended.out, "workload"), "\"" + workload + "\"");
    const bool commit = workload == "commit" || workload == "probe";
    EXPECT_EQ(Value(ended.out, "floor_commits_per_s") != "null", commit) << workload;
    EXPECT_EQ(Value(ended.out, "floor_read_mb_per_s") != "null", workload == "recover");
    EXPECT_EQ(Value(ended.out, "ratio_to_floor") != "null", workload != "probe") << workload;
    EXPECT_THAT(Value(ended.out, "verify_errors"), AnyOf("0", "null"));
    EXPECT_FALSE(fs::exists(dir_)) << "it was made by the run, and goes with it";
  }
}

TEST_F(WalBenchTest, WhatIsWrittenIsCountedAndVerified) {
  for (const std::string flags :
       {"--workload=commit", "--workload=commit --embedded --inflight=16",
        "--workload=commit --clients=8 --inflight=4 --shards=2",
        "--workload=stream --clients=3 --shards=3 --record_bytes=zipf:0-70000",
        "--workload=stream --embedded --shards=2 --record_bytes=0-9",
        "--workload=stream --clients=4 --record_bytes=100K"}) {
    const Ended ended = Bench(Quick() + flags + " --records=1234 --json=-");
    ASSERT_EQ(ended.exit_code, 0) << flags << "\n" << ended.err;
    EXPECT_EQ(Value(ended.out, "records"), "1234") << flags;
    EXPECT_EQ(Value(ended.out, "verified_records"), "1234") << flags;
    EXPECT_EQ(Value(ended.out, "verify_errors"), "0") << flags;
  }
}

class WalBenchRoundTripTest : public WalBenchTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    WalBenchTest::SetUp();
    root_ = testing::TempDir() + "/round-trip-" + GetParam();
    fs::remove_all(root_);
    fs::create_directories(root_);
    dir_ = root_ + "/log";
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
  for (const std::string& content : contents) {
    for (const char* mode : {"", "--embedded", "--workload=commit --inflight=3"}) {
      const std::string flags = Quick() + "--keep --io=" + GetParam() + " " + mode;
      const Ended ended = Bench(flags + " --input=" + Input(content));
      ASSERT_EQ(ended.exit_code, 0) << ended.err;
      std::string expected = content;
      if (!expected.empty() && expected.back() != '\n') expected += '\n';
      EXPECT_TRUE(Raw().out == expected) << content.size() << " bytes, " << mode;
      fs::remove_all(dir_);
    }
  }
}

TEST_P(WalBenchRoundTripTest, StandardInputIsReadToItsEnd) {
  const std::string input = Input("one\n\nthree");
  const Ended ended = Shell("cat " + input + " | " + Tool("wal-bench") + Quick() +
                            "--keep --json=- --input=- --io=" + GetParam());
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(Value(ended.out, "verified_records"), "3");
  EXPECT_EQ(Raw().out, "one\n\nthree\n");
}

INSTANTIATE_TEST_SUITE_P(Backends, WalBenchRoundTripTest, testing::Values("posix", "uring"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(WalBenchTest, AcksOnlyGrowAndEndAtTheLastRecord) {
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

TEST_F(WalBenchTest, ResumeGoesOnBehindTheLastRecord) {
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
    EXPECT_EQ(Value(ReadFile(root_ + "/json"), "verified_records"), std::to_string(before + 50));
  }
  EXPECT_TRUE(fs::exists(dir_)) << "a log that was there before is never removed";
}

TEST_F(WalBenchTest, ResumeAppendsNothingBehindRecordsThatAreNotOurs) {
  ASSERT_EQ(Bench(Quick() + "--keep --input=" + Input("somebody\nelse\n")).exit_code, 0);
  const Ended resumed = Bench(Quick() + "--workload=commit --resume --records=5");
  EXPECT_EQ(resumed.exit_code, 2);
  EXPECT_THAT(resumed.out, HasSubstr("record 1"));
  EXPECT_EQ(Raw().out, "somebody\nelse\n");
}

TEST_F(WalBenchTest, EveryAcknowledgedRecordSurvivesAKill) {
  for (const std::string flags : {"--workload=commit --clients=4", "--workload=commit --embedded",
                                  "--workload=stream --embedded", "--workload=stream"}) {
    const Ended killed = Shell("rm -f acks; " + Tool("wal-bench") + Quick() + flags +
                               " --seconds=60 --acks=acks & pid=$!; "
                               "until [ \"$(wc -l 2>/dev/null <acks || echo 0)\" -ge 20 ]; do "
                               "kill -0 $pid || exit 9; done; kill -9 $pid; wait $pid");
    ASSERT_EQ(killed.exit_code, 128 + 9) << killed.err;
    const Ended checked = Shell(Tool("wal-dump") + " --check_acks=acks " + dir_);
    EXPECT_EQ(checked.exit_code, 0) << flags << "\n" << checked.out << checked.err;
    const Ended resumed = Bench(Quick() + "--workload=commit --resume --records=10");
    EXPECT_EQ(resumed.exit_code, 0) << flags << "\n" << resumed.out << resumed.err;
    fs::remove_all(dir_);
  }
}

TEST_F(WalBenchTest, AnInterruptEndsTheRunInOrder) {
  const Ended ended = Shell("rm -f acks; " + Tool("wal-bench") + Quick() +
                            "--workload=commit --seconds=60 --acks=acks --json=json & pid=$!; "
                            "until [ -s acks ]; do kill -0 $pid || exit 9; done; "
                            "kill -INT $pid; wait $pid");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_EQ(Value(ReadFile(root_ + "/json"), "interrupted"), "true");
  EXPECT_NE(Value(ReadFile(root_ + "/json"), "records"), "0");
  EXPECT_FALSE(fs::exists(dir_));
}

TEST_F(WalBenchTest, OnlyWhatBelongsToTheLogIsRemoved) {
  fs::create_directories(dir_);
  ASSERT_EQ(Bench(Quick() + "--workload=commit --records=5").exit_code, 0);
  EXPECT_TRUE(fs::exists(dir_)) << "it was there before";
  EXPECT_TRUE(fs::is_empty(dir_));
}

TEST_F(WalBenchTest, AComparisonRunsEachValueAndSaysWhichIsWhich) {
  const Ended ended = Bench("--dir=" + dir_ + " --floor=off --segment_mb=1 --workload=commit " +
                            "--compare=sync=datasync,dsync --records=100 --json=json");
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const std::vector<std::string> runs = Lines(ReadFile(root_ + "/json"));
  ASSERT_EQ(runs.size(), 2u);
  const char* const kMethods[] = {"datasync", "dsync"};
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(Value(runs[i], "compared"), "\"sync=" + std::string(kMethods[i]) + "\"");
    EXPECT_EQ(Value(runs[i], "sync_method"), "\"" + std::string(kMethods[i]) + "\"");
    EXPECT_EQ(Value(runs[i], "records"), "300") << "three rounds";
    EXPECT_EQ(Value(runs[i], "verified_records"), "300");
  }
  EXPECT_THAT(ended.out, HasSubstr("sync=datasync        sync=dsync\n"));
  EXPECT_THAT(ended.out, HasSubstr("spread of the rounds"));
  EXPECT_FALSE(fs::exists(dir_));
}

// Far more than the segments that are kept: what the reader has read goes, and is used again.
TEST_F(WalBenchTest, AMixedRunReadsAllAndTruncatesWhatItHasRead) {
  const Ended ended =
      Bench("--dir=" + dir_ + " --floor=off --segment_mb=1 --sync=datasync " +
            "--workload=mixed --shards=2 --mb=40 --record_bytes=100-3000 " + "--json=json --keep");
  ASSERT_EQ(ended.exit_code, 0) << ended.out << ended.err;
  const std::string json = ReadFile(root_ + "/json");
  EXPECT_EQ(Value(json, "reader_records"), Value(json, "records"));
  EXPECT_EQ(Value(json, "verified_records"), Value(json, "records"));
  EXPECT_EQ(Value(json, "verify_errors"), "0");
  EXPECT_GE(std::stoul(Value(json, "truncations")), 2u);
  uint64_t left = 0;
  for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
    if (entry.is_regular_file()) left += entry.file_size();
  }
  EXPECT_LT(left, 30'000'000u) << "of 40 MB appended";
}

TEST_F(WalBenchTest, TheTableFitsAHundredColumns) {
  for (const std::string flags :
       {"--workload=commit --records=50", "--workload=stream --mb=1", "--workload=recover --mb=1",
        "--workload=mixed --mb=1", "--workload=probe",
        "--workload=commit --records=9 --compare=inflight=1,2,3,4 --floor=off"}) {
    const Ended ended = Bench("--dir=log --segment_mb=16 " + flags);
    ASSERT_EQ(ended.exit_code, 0) << ended.err;
    for (const std::string& line : Lines(ended.out)) {
      if (line.rfind("note: ", 0) == 0) continue;  // a sentence, for the terminal to break
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
}

}  // namespace
}  // namespace corewal
