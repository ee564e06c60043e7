// The built wal-dump --repair on damaged logs: what it says is lost, what it keeps aside, and that
// the log is whole afterwards.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/tools/wal_dump_fixture.h"

namespace corewal {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

class WalDumpRepairTest : public WalDumpFixture {
 protected:
  ProgramResult Repair(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--repair", "--yes"});
    more.push_back(log());
    return RunProgram({.program = kDump, .arguments = more});
  }
  std::string Raw() { return Dump({"--format=raw", log()}).output; }
  // Four batches of two records: a0 a1, b0 b1, ... ; the last two batches in a second segment.
  LogBuilder TwoSegments(bool sealed = true) {
    LogBuilder builder;
    for (const char batch : {'a', 'b', 'c', 'd'}) {
      if (batch == 'a' || batch == 'c') builder.StartSegment();
      builder.AddBatch({std::string(1, batch) + "0", std::string(1, batch) + "1"});
    }
    if (sealed) builder.AddSeal();
    return builder;
  }
  void ExpectClean(const std::string& raw) {
    const ProgramResult verify = Dump({"--verify", log()});
    EXPECT_EQ(verify.exit_code, 0) << verify.output << verify.error;
    EXPECT_THAT(verify.output, StartsWith("shard 0: ok: "));
    EXPECT_EQ(Raw(), raw);
  }
  // The engine takes the log as it is and goes on behind what is left.
  void ExpectEngineGoesOn(const std::string& raw) {
    {
      EngineOptions options;
      options.directory = log();
      options.shard.segment_bytes = 64 << 10;
      absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
      ASSERT_TRUE(engine.ok()) << engine.status();
      const std::string record = "next";
      absl::StatusOr<AppendFuture> future = (*engine)->Append(ShardId{0}, AsBytes(record));
      ASSERT_TRUE(future.ok()) << future.status();
      ASSERT_TRUE(future->Wait().ok());
      ASSERT_TRUE((*engine)->Close().ok());
    }
    ExpectClean(raw + "next\n");
  }
  std::string Content(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
  }
};

TEST_F(WalDumpRepairTest, WithoutYesItSaysWhatItWouldDoAndChangesNothing) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[8192 + 70] ^= 1;  // in batch b
  Write(&builder);
  const ProgramResult plan = Dump({"--repair", log()});  // Dump checks that nothing was written
  EXPECT_EQ(plan.exit_code, 3);
  EXPECT_THAT(
      plan.output,
      AllOf(HasSubstr("shard 0: damaged: " + segment(1) + ", offset 8192: B8"),
            HasSubstr("kept  2 records, all before lsn 8192"), HasSubstr("lost  lsn 8192 .. "),
            HasSubstr(": 6 records; 2 in 1 damaged batch; 4 in 2 intact batches behind the "
                      "damage; durable once up to lsn "),
            HasSubstr("would copy " + segment(1) + " (65536 bytes) to " + segment(1) +
                      ".damaged, then cut it at 8192"),
            HasSubstr("would move " + segment(2) + " to " + segment(2) + ".damaged"),
            HasSubstr("nothing was changed")));
  EXPECT_EQ(plan.error, "");
}

TEST_F(WalDumpRepairTest, ItCutsAtTheFirstDamageAndKeepsAllThatWasThere) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[8192 + 70] ^= 1;
  Write(&builder);
  const ProgramResult repaired = Repair();
  EXPECT_EQ(repaired.exit_code, 0) << repaired.output << repaired.error;
  EXPECT_THAT(repaired.output, AllOf(HasSubstr("6 records"), HasSubstr("shard 0: repaired: 2 ")));
  EXPECT_EQ(Content(segment(1) + ".damaged"), builder.image(1));
  EXPECT_EQ(Content(segment(2) + ".damaged"), builder.image(2));
  EXPECT_EQ(Content(segment(1)), builder.image(1).substr(0, 8192));
  EXPECT_FALSE(fs::exists(segment(2)));
  ExpectClean("a0\na1\n");
  ExpectEngineGoesOn("a0\na1\n");
}

TEST_F(WalDumpRepairTest, ALogThatIsWholeOrTornIsLeftAlone) {
  for (const bool sealed : {true, false}) {
    LogBuilder builder = TwoSegments(sealed);
    Write(&builder);
    for (const ProgramResult& result : {Dump({"--repair", log()}), Repair({"--shard=0"})}) {
      EXPECT_EQ(result.exit_code, 0) << result.output << result.error;
      EXPECT_THAT(result.output, StartsWith("shard 0: nothing to repair: 8 records, "));
    }
    EXPECT_EQ(Content(segment(1)), builder.image(1));
    EXPECT_EQ(Content(segment(2)), builder.image(2));
    fs::remove_all(log());
  }
}

TEST_F(WalDumpRepairTest, ASegmentWhoseHeaderIsLostGoesAsideWhole) {
  LogBuilder builder = TwoSegments();
  builder.image(2)[100] ^= 1;
  Write(&builder);
  const ProgramResult repaired = Repair();
  EXPECT_EQ(repaired.exit_code, 0) << repaired.output << repaired.error;
  EXPECT_THAT(repaired.output, HasSubstr(": 4 records; 4 in 2 intact batches behind the damage"));
  EXPECT_EQ(Content(segment(2) + ".damaged"), builder.image(2));
  EXPECT_EQ(Content(segment(1)), builder.image(1)) << "nothing to cut";
  ExpectClean("a0\na1\nb0\nb1\n");
  ExpectEngineGoesOn("a0\na1\nb0\nb1\n");
}

TEST_F(WalDumpRepairTest, ALostFirstHeaderLeavesAnEmptyLog) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[100] ^= 1;
  Write(&builder);
  const ProgramResult repaired = Repair();
  EXPECT_EQ(repaired.exit_code, 0) << repaired.output << repaired.error;
  EXPECT_THAT(repaired.output, AllOf(HasSubstr("kept  0 records"), HasSubstr(": 8 records; 8 in")));
  ExpectEngineGoesOn("");
}

TEST_F(WalDumpRepairTest, AMissingSegmentIsNamedAndWhatCameAfterItGoesAside) {
  LogBuilder builder = TwoSegments();
  builder.StartSegment();
  builder.AddBatch({"e0"});
  builder.AddSeal();
  builder.RemoveSegment(2);
  Write(&builder);
  const ProgramResult repaired = Repair();
  EXPECT_EQ(repaired.exit_code, 0) << repaired.output << repaired.error;
  EXPECT_THAT(repaired.output, HasSubstr(": 1 record; 1 in 1 intact batch behind the damage"));
  ExpectClean("a0\na1\nb0\nb1\n");
}

TEST_F(WalDumpRepairTest, WhereNoHeaderIsReadableTheAccountSaysAtLeast) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[8192 + 16] ^= 1;  // batch b's header
  Write(&builder);
  const ProgramResult plan = Dump({"--repair", log()});
  EXPECT_THAT(plan.output, AllOf(HasSubstr(": at least 4 records; 4 in 2 intact batches"),
                                 HasSubstr("and what stood in 4096 bytes that no header")));
}

// A batch that a crash had left behind the end of a segment must not come back to life when the
// segment that ended it there goes.
TEST_F(WalDumpRepairTest, WhatAnEarlierOpeningPassedOverStaysDead) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({"a0"});
  const Lsn end = builder.end();
  const uint32_t crc = builder.last_crc();
  builder.AddBatch({"dead"});  // durable by nobody's word
  builder.RewindTo(end, crc);
  builder.Reopen();
  builder.StartSegment();
  builder.AddBatch({"b0"});
  builder.AddBatch({"c0"});
  builder.AddSeal();
  builder.image(2)[4096 + 70] ^= 1;
  Write(&builder);
  ASSERT_EQ(Dump({"--verify", log()}).exit_code, 3);
  ASSERT_EQ(Repair().exit_code, 0);
  EXPECT_EQ(Content(segment(1) + ".damaged"), builder.image(1));
  ExpectClean("a0\n");
  ExpectEngineGoesOn("a0\n");
}

TEST_F(WalDumpRepairTest, AnEarlierBackupIsNeverOverwritten) {
  for (const std::string suffix : {".damaged", ".damaged-2"}) {
    LogBuilder builder = TwoSegments();
    builder.image(1)[8192 + 70] = suffix.back();
    Write(&builder);
    ASSERT_EQ(Repair().exit_code, 0);
    EXPECT_EQ(Content(segment(1) + suffix), builder.image(1));
  }
  EXPECT_NE(Content(segment(1) + ".damaged"), Content(segment(1) + ".damaged-2"));
}

TEST_F(WalDumpRepairTest, ALogThatAWriterHasOpenIsRefused) {
  LogBuilder builder = TwoSegments();
  Write(&builder);
  EngineOptions options;
  options.directory = log();
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const ProgramResult refused = Repair();
  EXPECT_EQ(refused.exit_code, 1) << refused.output;
  EXPECT_THAT(refused.error, HasSubstr(absl::StrCat(getpid())));
  EXPECT_EQ(refused.output, "");
}

TEST_F(WalDumpRepairTest, ItWantsTheWholeLogsDirectory) {
  LogBuilder builder = TwoSegments();
  Write(&builder);
  for (const std::string& path : {segment(1), shard(0)}) {
    EXPECT_THAT(Refusal({"--repair", "--yes", path}), HasSubstr("--shard"));
  }
  EXPECT_THAT(Refusal({"--yes", log()}), HasSubstr("--repair"));
  EXPECT_THAT(Refusal({"--repair", "--from=4096", log()}), HasSubstr("--from"));
  EXPECT_THAT(Refusal({"--repair", "--verify", log()}), HasSubstr("choose one"));
}

TEST_F(WalDumpRepairTest, JsonSaysTheSame) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[8192 + 70] ^= 1;
  Write(&builder);
  const ProgramResult repaired = Repair({"--format=json"});
  EXPECT_EQ(repaired.exit_code, 0);
  EXPECT_THAT(repaired.output,
              AllOf(StartsWith("{\"damage\":{\"shard\":0,"), HasSubstr("\"lost_records\":6,"),
                    HasSubstr("{\"step\":{\"shard\":0,\"do\":\"cut\""),
                    HasSubstr("{\"repair\":{\"shard\":0,\"verdict\":\"repaired\",\"records\":2,")));
}

// On a tmpfs that the log fills, in a mount namespace that takes it away at the end.
TEST_F(WalDumpRepairTest, AFullDiskIsSaidAndNothingChanges) {
  LogBuilder builder = TwoSegments();
  builder.image(1)[8192 + 70] ^= 1;
  Write(&builder);
  const std::string at = temp_.path() + "/small";
  fs::create_directories(at);
  const std::string script =
      "mount -t tmpfs -o size=400k tmpfs " + at + " || exit 77; cp -r " + log() + " " + at +
      "/log || exit 9; dd if=/dev/zero of=" + at + "/ballast bs=4k >/dev/null 2>&1; " +
      ProgramPath(kDump) + " --repair --yes " + at + "/log >" + temp_.path() + "/out 2>" +
      temp_.path() + "/err; [ $? = 1 ] || exit 8; diff -r -x LOCK " + log() + " " + at +
      "/log || exit 7; rm " + at + "/ballast; " + ProgramPath(kDump) + " --repair --yes " + at +
      "/log >/dev/null || exit 6; " + ProgramPath(kDump) + " --verify " + at + "/log";
  const int status = std::system(("unshare --mount sh -c '" + script + "'").c_str());
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount is allowed here";
  EXPECT_EQ(WEXITSTATUS(status), 0) << Content(temp_.path() + "/err");
  EXPECT_THAT(Content(temp_.path() + "/err"),
              AllOf(HasSubstr("ENOSPC"), HasSubstr("nothing was changed"), HasSubstr("65536 bytes"),
                    Not(HasSubstr("--mb"))));
}

}  // namespace
}  // namespace corewal
