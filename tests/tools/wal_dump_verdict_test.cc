// The built wal-dump on logs that are torn or damaged: the verdict, and its exit code.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tools/run_program.h"
#include "tests/tools/wal_dump_fixture.h"

namespace corewal {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace fs = std::filesystem;

using WalDumpVerdictTest = WalDumpFixture;

TEST_F(WalDumpVerdictTest, AFlippedByteInTheMiddleIsDamageWithFileOffsetAndRule) {
  LogBuilder builder = MadeLog();
  builder.image(1)[8192 + 200] ^= 1;
  Write(&builder);
  for (const char* how : {"--verify", "--summary", "--format=text", "--format=raw"}) {
    const ProgramResult result = Dump({how, log()});
    EXPECT_EQ(result.exit_code, 3) << how;
    const std::string said = result.output + result.error;
    EXPECT_THAT(said, AllOf(HasSubstr(segment(1)), HasSubstr("offset 8192"), HasSubstr("B8")))
        << how;
  }
  // What stands before it is shown all the same.
  EXPECT_EQ(Dump({"--format=raw", log()}).output, MadeRecord(0, 1) + "\n" + MadeRecord(0, 2) +
                                                      "\n" + MadeRecord(0, 3) + "\n" +
                                                      MadeRecord(0, 4) + "\n");
}

TEST_F(WalDumpVerdictTest, ACutLastBlockIsATornTailAndClean) {
  LogBuilder builder = MadeLog(/*sealed=*/false);
  builder.Trim();
  std::string& image = builder.image(1);
  image.resize(image.size() - 512);
  Write(&builder);
  const ProgramResult verify = Dump({"--verify", log()});
  EXPECT_EQ(verify.exit_code, 0) << verify.error;
  EXPECT_THAT(verify.output, AllOf(StartsWith("shard 0: ok: 8 records"), HasSubstr("torn")));
  EXPECT_THAT(Dump({"--format=raw", log()}).error, HasSubstr("torn"));
}

TEST_F(WalDumpVerdictTest, OneDamagedShardDoesNotHideTheOthers) {
  LogBuilder damaged = MadeLog();
  damaged.image(1)[8192 + 200] ^= 1;
  Write(&damaged, 0);
  LogBuilder good;
  good.StartSegment();
  good.AddBatch({"good"});
  good.AddSeal();
  Write(&good, 1);
  const ProgramResult verify = Dump({"--verify", log()});
  EXPECT_EQ(verify.exit_code, 3);
  EXPECT_THAT(verify.output,
              AllOf(StartsWith("shard 0: BAD: 4 records"), HasSubstr("\nshard 1: ok: 1 records")));
}

TEST_F(WalDumpVerdictTest, ALogThatBeginsInItsMiddleFailsTheCheckOfAcks) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({MadeRecord(0, 1)});
  builder.StartSegment();
  builder.AddBatch({MadeRecord(0, 2)});
  builder.AddSeal();
  Write(&builder);
  EXPECT_EQ(Dump({"--check_acks=-", log()}, AcksFor(builder, 2)).exit_code, 0);
  fs::remove(segment(1));
  EXPECT_EQ(Dump({"--verify", log()}).exit_code, 0);  // as after a truncation
  const ProgramResult result = Dump({"--check_acks=-", log()}, AcksFor(builder, 2));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("the log's beginning is missing"), HasSubstr(segment(2))));
}

TEST_F(WalDumpVerdictTest, ADamagedSegmentHeaderIsDamageIfItsBatchesProveIt) {
  for (const char* rule : {"S1", "S2", "zeros"}) {
    LogBuilder builder = MadeLog();
    if (rule[0] == 'z') {
      builder.image(1).replace(0, kBlockBytes, kBlockBytes, '\0');
      rule = "S1";
    } else {
      builder.image(1)[rule[1] == '1' ? 0 : 50] ^= 1;
    }
    Write(&builder);
    for (const std::string& what : {log(), segment(1)}) {
      const ProgramResult result = Dump({"--verify", what});
      EXPECT_EQ(result.exit_code, 3) << what << result.error;
      EXPECT_THAT(result.output,
                  AllOf(HasSubstr(segment(1)), HasSubstr("offset 0"), HasSubstr(rule)));
    }
  }
}

TEST_F(WalDumpVerdictTest, AcknowledgedRecordsThatAreAllThereAreVerified) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  const ProgramResult result = Dump({"--check_acks=-", log()}, AcksFor(builder, 10));
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.output,
            "check_acks: shard 0: 10 acknowledged, 12 found, in order, content verified\n");
  WriteFile(temp_.path() + "/acks", AcksFor(builder, 12) + "ACK shard=0 seq=1");
  const ProgramResult cut = Dump({"--check_acks=" + temp_.path() + "/acks", log()});
  EXPECT_EQ(cut.exit_code, 0) << cut.error;
  EXPECT_THAT(cut.output, HasSubstr("12 acknowledged, 12 found"));
  EXPECT_THAT(cut.error, HasSubstr("left out"));
}

TEST_F(WalDumpVerdictTest, AMissingAcknowledgedRecordIsDamage) {
  LogBuilder builder = MadeLog(/*sealed=*/false);
  const std::string acks = AcksFor(builder, 12);
  builder.image(1).resize(12288);  // the last batch
  Write(&builder);
  const ProgramResult result = Dump({"--check_acks=-", log()}, acks);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, AllOf(StartsWith("check_acks: shard 0: FAILED: "), HasSubstr("seq=12"),
                                   HasSubstr("only 8 records"), HasSubstr(segment(1))));
  const ProgramResult no_shard = Dump({"--check_acks=-", log()}, "ACK shard=7 seq=1 lsn=4160\n");
  EXPECT_EQ(no_shard.exit_code, 3);
  EXPECT_THAT(no_shard.output, HasSubstr("shard 7: FAILED: "));
}

TEST_F(WalDumpVerdictTest, ARecordThatWasNotMadeIsDamage) {
  LogBuilder builder;
  builder.StartSegment();
  builder.AddBatch({MadeRecord(0, 1), "invented"});
  builder.AddSeal();
  Write(&builder);
  const ProgramResult result = Dump({"--check_acks=-", log()}, AcksFor(builder, 1));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, AllOf(HasSubstr("record seq=2 at lsn="), HasSubstr(segment(1))));
}

TEST_F(WalDumpVerdictTest, AckFilesThatAreNoneAreRefused) {
  LogBuilder builder = MadeLog();
  Write(&builder);
  WriteFile(temp_.path() + "/acks", "ACK shard=0 seq=1 lsn=4160\nnonsense\n");
  EXPECT_THAT(Refusal({"--check_acks=" + temp_.path() + "/acks", log()}),
              AllOf(HasSubstr("/acks, line 2"), HasSubstr("nonsense")));
  EXPECT_THAT(Refusal({"--check_acks=/no/such/acks", log()}), HasSubstr("/no/such/acks"));
}

}  // namespace
}  // namespace corewal
