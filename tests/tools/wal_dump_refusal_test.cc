// The built wal-dump on what it cannot work with: one clear line each, and nothing written.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/tools/wal_dump_fixture.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

using WalDumpRefusalTest = WalDumpFixture;

TEST_F(WalDumpRefusalTest, PlacesWithoutALogAreRefusedInOneLine) {
  EXPECT_THAT(Refusal({}), HasSubstr("--help"));
  EXPECT_THAT(Refusal({log()}), AllOf(HasSubstr(log()), HasSubstr("No such file")));
  fs::create_directories(log());
  EXPECT_THAT(Refusal({log()}), HasSubstr("no log in " + log()));
  WriteFile(log() + "/notes.txt", "hello");
  EXPECT_THAT(Refusal({log()}), HasSubstr("no log in " + log()));
  EXPECT_THAT(Refusal({log() + "/notes.txt"}), HasSubstr("is not a corewal segment"));
  EXPECT_THAT(Refusal({log() + "/notes.txt/shard-0000"}), HasSubstr("Not a directory"));
  EXPECT_THAT(Refusal({"/dev/null"}), HasSubstr("/dev/null"));
}

TEST_F(WalDumpRefusalTest, RandomBytesAreNoSegment) {
  std::string noise(64 << 10, '\0');
  uint32_t state = 12345;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  WriteFile(segment(1), noise);
  EXPECT_THAT(Refusal({segment(1)}), AllOf(HasSubstr(segment(1)), HasSubstr("S1")));
  EXPECT_THAT(Refusal({log()}), AllOf(HasSubstr(segment(1)), HasSubstr("S1")));
}

TEST_F(WalDumpRefusalTest, PreparedAndEmptySegmentsAreCleanAndSaid) {
  for (const std::string& content : {std::string(), std::string(64 << 10, '\0')}) {
    WriteFile(segment(1), content);
    const ProgramResult file = Dump({segment(1)});
    EXPECT_EQ(file.exit_code, 0) << file.error;
    EXPECT_EQ(file.output, "");
    EXPECT_THAT(file.error, AllOf(HasSubstr(segment(1)), HasSubstr("never started")));
    const ProgramResult directory = Dump({"--verify", log()});
    EXPECT_EQ(directory.exit_code, 0) << directory.error;
    EXPECT_THAT(directory.output, StartsWith("shard 0: ok: 0 records"));
  }
}

TEST_F(WalDumpRefusalTest, AnotherLogsSegmentIsNamed) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"ours"});
  builder.StartSegment();
  builder.AddBatch({"theirs"});
  builder.image(2)[16] ^= 1;  // its UUID
  FixSegmentHeaderCrc(builder.image(2).data());
  Write(&builder);
  EXPECT_THAT(Refusal({log()}), AllOf(HasSubstr(segment(2)), HasSubstr("another log")));
}

TEST_F(WalDumpRefusalTest, TheLogsOwnMetadataSaysWhoseSegmentsTheseAre) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  LogMeta meta;
  meta.uuid = TestUuid();
  WriteFile(log() + "/corewal", meta.Encode());
  EXPECT_EQ(Dump({"--verify", log()}).exit_code, 0);
  meta.uuid = TestUuid(0x77);
  WriteFile(log() + "/corewal", meta.Encode());
  EXPECT_THAT(Refusal({log()}), AllOf(HasSubstr(segment(1)), HasSubstr("another log")));
  WriteFile(log() + "/corewal", "scribble");
  const ProgramResult scribbled = Dump({"--verify", log()});
  EXPECT_EQ(scribbled.exit_code, 0);
  EXPECT_THAT(scribbled.error, HasSubstr("goes on without the log's metadata"));
}

TEST_F(WalDumpRefusalTest, AnotherShardsSegmentIsNamedAndDoesNotHideTheOthers) {
  LogBuilder builder = MadeLog();
  Write(&builder, 0);
  fs::create_directories(shard(1));
  fs::copy_file(segment(1), shard(1) + "/" + SegmentFileName(1));
  const ProgramResult result = Dump({"--verify", log()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, StartsWith("shard 0: ok: 12 records"));
  EXPECT_THAT(result.error, AllOf(HasSubstr(shard(1)), HasSubstr("of shard 0")));
}

TEST_F(WalDumpRefusalTest, ANewerFormatIsNamed) {
  LogBuilder builder = MadeLog();
  Put32(builder.image(1).data() + 12, 9);
  FixSegmentHeaderCrc(builder.image(1).data());
  Write(&builder);
  EXPECT_THAT(Refusal({log()}), AllOf(HasSubstr(segment(1)), HasSubstr("format version 9")));
  EXPECT_THAT(Refusal({segment(1)}), AllOf(HasSubstr(segment(1)), HasSubstr("format version 9")));
}

TEST_F(WalDumpRefusalTest, WhatMayNotBeReadIsNamed) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  ASSERT_EQ(chmod(shard(0).c_str(), 0), 0);
  const ProgramResult result =
      RunProgram({.program = kDump, .arguments = {log()}, .permissions_hold = true});
  ASSERT_EQ(chmod(shard(0).c_str(), 0700), 0);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, AllOf(HasSubstr(log()), HasSubstr("Permission denied"),
                                  HasSubstr("as a user who may read it")));
  EXPECT_EQ(std::count(result.error.begin(), result.error.end(), '\n'), 1) << result.error;
}

TEST_F(WalDumpRefusalTest, AFullDiskUnderTheOutputIsAnError) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  const ProgramResult result = RunProgram(
      {.program = kDump, .arguments = {"--format=raw", log()}, .output_to = "/dev/full"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, AllOf(HasSubstr("standard output"), HasSubstr("ENOSPC")));
}

TEST_F(WalDumpRefusalTest, WrongFlagsAreRefusedInOneLine) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  EXPECT_THAT(Refusal({"--nonsense", log()}), HasSubstr("nonsense"));
  EXPECT_THAT(Refusal({"--format=xml", log()}), HasSubstr("text, json or raw"));
  EXPECT_THAT(Refusal({"--shard=many", log()}), HasSubstr("--shard"));
  EXPECT_THAT(Refusal({"--limit=-1", log()}), HasSubstr("--limit"));
  EXPECT_THAT(Refusal({"--from=9", "--to=9", log()}), HasSubstr("--from=9"));
  EXPECT_THAT(Refusal({"--verify", "--summary", log()}), HasSubstr("choose one"));
  EXPECT_THAT(Refusal({"--verify", "--grep=x", log()}), HasSubstr("--grep"));
  EXPECT_THAT(Refusal({"--check_acks=-", "--from=9", log()}), HasSubstr("--from"));
}

}  // namespace
}  // namespace corewal
