#include "tools/record_printer.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace corewal {
namespace {

using namespace std::string_literals;

class RecordPrinterTest : public testing::Test {
 protected:
  ~RecordPrinterTest() override { fclose(file_); }

  static RecordView Record(const std::string& payload, RecordType type = RecordType::kUser) {
    return {.lsn = Lsn(4160),
            .type = type,
            .epoch = Epoch(7),
            .payload = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(payload.data()),
                                           payload.size())};
  }
  std::string Print(DumpFormat format, const std::string& payload,
                    RecordType type = RecordType::kUser) {
    RecordPrinter(format, &out_).PrintRecord(ShardId{3}, Record(payload, type));
    return Printed();
  }
  std::string Printed() {
    EXPECT_TRUE(out_.Send().ok());
    std::string text(static_cast<size_t>(lseek(fileno(file_), 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fileno(file_), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(ftruncate(fileno(file_), 0), 0);
    EXPECT_EQ(lseek(fileno(file_), 0, SEEK_SET), 0);
    return text;
  }

  FILE* const file_ = tmpfile();
  Output out_{fileno(file_), "test"};
};

TEST_F(RecordPrinterTest, TextNamesThePlaceAndQuotesThePayload) {
  EXPECT_EQ(Print(DumpFormat::kText, "say \"hi\"\n"),
            "shard=3 lsn=4160 epoch=7 len=9 \"say \\\"hi\\\"\\x0a\"\n");
  EXPECT_EQ(Print(DumpFormat::kText, ""), "shard=3 lsn=4160 epoch=7 len=0 \"\"\n");
}

TEST_F(RecordPrinterTest, TextNamesEveryTypeButTheUsualOne) {
  EXPECT_EQ(Print(DumpFormat::kText, "x", RecordType{5}),
            "shard=3 lsn=4160 epoch=7 type=5 len=1 \"x\"\n");
  EXPECT_EQ(Print(DumpFormat::kText, "", RecordType::kEpochBarrier),
            "shard=3 lsn=4160 epoch=7 type=epoch-barrier len=0 \"\"\n");
}

TEST_F(RecordPrinterTest, JsonHoldsTextAsText) {
  EXPECT_EQ(Print(DumpFormat::kJson, "grün\n"),
            "{\"shard\":3,\"lsn\":4160,\"epoch\":7,\"type\":0,\"bytes\":6,"
            "\"payload\":\"grün\\n\"}\n");
}

TEST_F(RecordPrinterTest, JsonHoldsWhatIsNotUtf8AsBase64) {
  EXPECT_EQ(Print(DumpFormat::kJson, "\xff\0"s, RecordType{5}),
            "{\"shard\":3,\"lsn\":4160,\"epoch\":7,\"type\":5,\"bytes\":2,"
            "\"payload_base64\":\"/wA=\"}\n");
}

TEST_F(RecordPrinterTest, RawIsPayloadAndNewlineAndUsersRecordsOnly) {
  EXPECT_EQ(Print(DumpFormat::kRaw, "\xff\0\""s), "\xff\0\"\n"s);
  EXPECT_EQ(Print(DumpFormat::kRaw, "barrier", RecordType::kEpochBarrier), "");
}

TEST_F(RecordPrinterTest, HeadersArePrintedWithTheirPlace) {
  SegmentHeader segment;
  segment.shard = ShardId{3};
  segment.sequence = 2;
  segment.base_lsn = Lsn(65536);
  segment.segment_bytes = 65536;
  segment.incarnation = Incarnation{uint64_t{4} << 32 | 0xabc};
  RecordPrinter text(DumpFormat::kText, &out_);
  text.PrintSegment(segment, "d/\x1b.wal");
  EXPECT_EQ(Printed(),
            "segment file=d/\\x1b.wal version=1 uuid=00000000-0000-0000-0000-000000000000 shard=3 "
            "sequence=2 base_lsn=65536 segment_bytes=65536 incarnation=4.00000abc "
            "previous_sequence=0 previous_end=0 previous_crc=00000000 durable=0 epoch=0 "
            "created=1970-01-01T00:00:00.000Z\n");

  BatchHeader batch;
  batch.lsn = Lsn(65536 + 4096);
  batch.length_bytes = 4096;
  batch.flags = kBatchFlagSeal;
  batch.crc = 0xdeadbeef;
  RecordPrinter json(DumpFormat::kJson, &out_);
  json.PrintBatch(batch, segment);
  EXPECT_EQ(Printed(),
            "{\"batch\":{\"shard\":3,\"lsn\":69632,\"offset\":4096,\"bytes\":4096,\"records\":0,"
            "\"records_bytes\":0,\"epoch\":0,\"incarnation\":\"0.00000000\",\"durable\":0,"
            "\"crc\":\"deadbeef\",\"previous_crc\":\"00000000\",\"flags\":\"seal\"}}\n");
  RecordPrinter(DumpFormat::kRaw, &out_).PrintBatch(batch, segment);
  EXPECT_EQ(Printed(), "");
}

}  // namespace
}  // namespace corewal
