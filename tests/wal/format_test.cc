// The codec: what is valid, and for each rule of FORMAT.md's list a thing that breaks just it.
#include "wal/format.h"

#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/wal/log_builder.h"

namespace corewal {
namespace {

SegmentHeader SampleSegment() {
  SegmentHeader header;
  header.uuid = TestUuid();
  header.shard = ShardId{7};
  header.sequence = 3;
  header.base_lsn = Lsn(2 << 20);
  header.segment_bytes = 1 << 20;
  header.incarnation = TestIncarnation(2);
  header.previous_sequence = 2;
  header.previous_end = Lsn((2 << 20) - 8192);
  header.previous_crc = 0x01020304;
  header.durable = Lsn(1 << 20);
  header.epoch = Epoch(99);
  header.created_unix_ns = 1'700'000'000'000'000'000;
  return header;
}

FormatRule Decode(const std::string& block) {
  SegmentHeader header;
  return DecodeSegmentHeader(AsBytes(block), &header);
}

TEST(SegmentHeaderTest, RoundTrips) {
  const SegmentHeader header = SampleSegment();
  SegmentHeader decoded;
  ASSERT_EQ(DecodeSegmentHeader(AsBytes(MakeSegmentHeader(header)), &decoded), FormatRule::kOk);
  EXPECT_EQ(decoded, header);
}

TEST(SegmentHeaderTest, S0TooShort) {
  EXPECT_EQ(Decode(""), FormatRule::kSegmentTooShort);
  EXPECT_EQ(Decode(MakeSegmentHeader(SampleSegment()).substr(0, 4095)),
            FormatRule::kSegmentTooShort);
}

TEST(SegmentHeaderTest, S1WrongMagic) {
  std::string block = MakeSegmentHeader(SampleSegment());
  block[0] = 'c';
  EXPECT_EQ(Decode(block), FormatRule::kSegmentMagic);
  EXPECT_EQ(Decode(std::string(4096, '\0')), FormatRule::kSegmentMagic);
}

TEST(SegmentHeaderTest, S2EveryChangedByteBreaksTheCrc) {
  const std::string block = MakeSegmentHeader(SampleSegment());
  for (size_t i = 8; i < block.size(); ++i) {
    std::string changed = block;
    changed[i] ^= 0x10;
    ASSERT_EQ(Decode(changed), FormatRule::kSegmentCrc) << "byte " << i;
  }
}

TEST(SegmentHeaderTest, S3NewerVersionIsToldFromDamage) {
  std::string block = MakeSegmentHeader(SampleSegment());
  Put32(&block[12], 9);
  Put64(&block[2000], 42);  // a field of that version
  FixSegmentHeaderCrc(block.data());
  SegmentHeader header;
  EXPECT_EQ(DecodeSegmentHeader(AsBytes(block), &header), FormatRule::kSegmentVersion);
  EXPECT_EQ(header.version, 9u);
  Put32(&block[12], 0);
  FixSegmentHeaderCrc(block.data());
  EXPECT_EQ(Decode(block), FormatRule::kSegmentVersion);
}

TEST(SegmentHeaderTest, S4FieldsThatContradict) {
  struct Case {
    const char* what;
    std::function<void(char*)> change;
  };
  const Case cases[] = {
      {"zero uuid", [](char* b) { std::memset(b + 16, 0, 16); }},
      {"shard 65536", [](char* b) { Put32(b + 32, 65536); }},
      {"other block size", [](char* b) { Put32(b + 36, 8192); }},
      {"sequence 0", [](char* b) { Put64(b + 40, 0); }},
      {"sequence is the previous one", [](char* b) { Put64(b + 40, 2); }},
      {"base within a block", [](char* b) { Put64(b + 48, (2 << 20) + 512); }},
      {"base + segment overflows", [](char* b) { Put64(b + 48, UINT64_MAX - 4095); }},
      {"segment below the minimum", [](char* b) { Put64(b + 56, 60 << 10); }},
      {"segment above the maximum", [](char* b) { Put64(b + 56, (64ull << 30) + 4096); }},
      {"segment within a block", [](char* b) { Put64(b + 56, (1 << 20) + 1); }},
      {"incarnation count 0", [](char* b) { Put64(b + 64, 0x5eed); }},
      {"no previous, but its end", [](char* b) { Put64(b + 72, 0); }},
      {"previous end beyond the base", [](char* b) { Put64(b + 80, (2 << 20) + 4096); }},
      {"previous end within a block", [](char* b) { Put64(b + 80, (1 << 20) + 8); }},
      {"reserved", [](char* b) { Put32(b + 92, 1); }},
      {"durable beyond the end", [](char* b) { Put64(b + 96, (2 << 20) - 4096); }},
      {"durable within a block", [](char* b) { Put64(b + 96, (1 << 20) + 8); }},
      {"first byte behind the fields", [](char* b) { b[120] = 1; }},
      {"last byte", [](char* b) { b[4095] = 1; }},
  };
  for (const Case& c : cases) {
    std::string block = MakeSegmentHeader(SampleSegment());
    c.change(block.data());
    FixSegmentHeaderCrc(block.data());
    EXPECT_EQ(Decode(block), FormatRule::kSegmentFields) << c.what;
  }
}

class BatchTest : public ::testing::Test {
 protected:
  BatchTest() {
    header_.lsn = Lsn(1 << 20);
    header_.durable = Lsn((1 << 20) - 4096);
    header_.incarnation = TestIncarnation(4);
    header_.epoch = Epoch(5);
    header_.previous_crc = 0xfeedface;
    context_ = {header_.lsn, header_.incarnation, header_.previous_crc, 1 << 16, header_.lsn};
    batch_ = MakeBatch(header_, {"first", "", "a third record"});
  }
  FormatRule Check(const std::string& batch) {
    BatchHeader header;
    return CheckBatch(AsBytes(batch), context_, &header);
  }
  // Changes the sample batch, makes its CRCs right again, checks it.
  FormatRule CheckChanged(const std::function<void(char*)>& change) {
    std::string batch = batch_;
    change(batch.data());
    FixBatchCrcs(batch.data());
    return Check(batch);
  }
  FormatRule CheckPieces(const std::vector<TestPiece>& pieces) {
    return Check(MakeBatch(header_, pieces));
  }

  BatchHeader header_;
  BatchContext context_;
  std::string batch_;
};

TEST_F(BatchTest, RoundTrips) {
  BatchHeader header;
  ASSERT_EQ(CheckBatch(AsBytes(batch_), context_, &header), FormatRule::kOk);
  header_.crc = header.crc;
  header_.length_bytes = 4096;
  header_.record_count = 3;
  header_.records_bytes = (4 + 8) + 4 + (4 + 16);
  EXPECT_EQ(header, header_);
  BatchHeader alone;
  EXPECT_EQ(DecodeBatchHeader(AsBytes(batch_.substr(0, 64)), &alone), FormatRule::kOk);
  EXPECT_EQ(alone, header);
}

TEST_F(BatchTest, FieldsStandWhereTheDocumentSays) {
  EXPECT_EQ(batch_.substr(0, 4), "CWB1");
  std::string by_hand = batch_;
  FixBatchCrcs(by_hand.data());
  EXPECT_EQ(by_hand, batch_);
  EXPECT_EQ(Get32(&batch_[52]), 0xfeedfaceu);
  EXPECT_EQ(Get32(&batch_[64]), 5u);  // whole, type 0, 5 bytes
}

TEST_F(BatchTest, NoByteCanChangeUnseen) {
  for (size_t i = 0; i < batch_.size(); ++i) {
    std::string changed = batch_;
    changed[i] ^= 0x04;
    const FormatRule rule = Check(changed);
    ASSERT_NE(rule, FormatRule::kOk) << "byte " << i;
    if (i < 4) {
      ASSERT_EQ(rule, FormatRule::kBatchMagic);
    } else if (i < 64) {
      ASSERT_EQ(rule, FormatRule::kBatchHeaderCrc) << "byte " << i;
    } else {
      ASSERT_EQ(rule, FormatRule::kBatchCrc) << "byte " << i;
    }
  }
}

TEST_F(BatchTest, B0FileEndsInsideIt) {
  EXPECT_EQ(Check(batch_.substr(0, 63)), FormatRule::kBatchTooShort);
  EXPECT_EQ(Check(batch_.substr(0, 64)), FormatRule::kBatchTooShort);
  EXPECT_EQ(Check(batch_.substr(0, 4095)), FormatRule::kBatchTooShort);
}

TEST_F(BatchTest, B1WrongMagic) {
  EXPECT_EQ(Check(std::string(4096, '\0')), FormatRule::kBatchMagic);
}

TEST_F(BatchTest, B2HeaderCrc) {
  batch_[20] ^= 1;
  EXPECT_EQ(Check(batch_), FormatRule::kBatchHeaderCrc);
}

TEST_F(BatchTest, B3StaleBatchOfARecycledFile) {
  EXPECT_EQ(CheckChanged([](char* b) { Put64(b + 8, (1 << 20) - (1 << 16)); }),
            FormatRule::kBatchLsn);
}

TEST_F(BatchTest, B4OtherIncarnation) {
  context_.incarnation = TestIncarnation(4, 0xd1ff);
  EXPECT_EQ(Check(batch_), FormatRule::kBatchIncarnation);
  context_.incarnation = TestIncarnation(5);
  EXPECT_EQ(Check(batch_), FormatRule::kBatchIncarnation);
}

TEST_F(BatchTest, B5LengthNotPossible) {
  const auto with_length = [this](uint32_t length) {
    std::string batch = batch_;
    Put32(&batch[40], length);
    FixBatchHeaderCrc(batch.data());
    BatchHeader header;
    const FormatRule alone = DecodeBatchHeader(AsBytes(batch), &header);
    const FormatRule rule = Check(batch);
    EXPECT_EQ(alone, rule);
    return rule;
  };
  EXPECT_EQ(with_length(0), FormatRule::kBatchLength);
  EXPECT_EQ(with_length(64), FormatRule::kBatchLength);
  EXPECT_EQ(with_length(4095), FormatRule::kBatchLength);
  EXPECT_EQ(with_length(4097), FormatRule::kBatchLength);
  EXPECT_EQ(with_length((4 << 20) + 4096), FormatRule::kBatchLength);
  EXPECT_EQ(with_length(UINT32_MAX), FormatRule::kBatchLength);
}

TEST_F(BatchTest, B5BatchReachesBeyondTheSegment) {
  context_.bytes_left = 4096;
  EXPECT_EQ(Check(batch_), FormatRule::kOk);
  context_.bytes_left = 0;
  EXPECT_EQ(Check(batch_), FormatRule::kBatchLength);
}

TEST_F(BatchTest, B6FieldsThatContradict) {
  EXPECT_EQ(CheckChanged([](char* b) { Put64(b + 16, (1 << 20) + 4096); }),
            FormatRule::kBatchFields)
      << "durable beyond itself";
  EXPECT_EQ(CheckChanged([](char* b) { Put64(b + 16, 100); }), FormatRule::kBatchFields)
      << "durable inside a block";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 56, 2); }), FormatRule::kBatchFields)
      << "unknown flag";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 56, 1); }), FormatRule::kBatchFields)
      << "a seal with records";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 44, 4096); }), FormatRule::kBatchFields)
      << "records longer than the batch";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 44, 35); }), FormatRule::kBatchFields)
      << "records not aligned";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 48, 0); }), FormatRule::kBatchFields)
      << "no records, and no seal";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 48, UINT32_MAX); }), FormatRule::kBatchFields)
      << "more records than bytes";
  std::string longer = batch_ + std::string(4096, '\0');
  Put32(&longer[40], 8192);
  FixBatchCrcs(longer.data());
  EXPECT_EQ(Check(longer), FormatRule::kBatchFields) << "a block of padding";
}

TEST_F(BatchTest, B6ZeroCountAndZeroLengthNeverMakeARecord) {
  // A header of zero lengths whose CRCs are right: "crc of nothing is 0" must not pass.
  std::string batch(4096, '\0');
  std::memcpy(batch.data(), "CWB1", 4);
  Put64(&batch[8], 1 << 20);
  Put64(&batch[24], header_.incarnation.bits);
  Put32(&batch[40], 4096);
  Put32(&batch[52], 0xfeedface);
  FixBatchCrcs(batch.data());
  EXPECT_EQ(Check(batch), FormatRule::kBatchFields);
}

TEST_F(BatchTest, SealHasNoRecordsAndSaysThatAllBeforeIsDurable) {
  header_.flags = kBatchFlagSeal;
  header_.durable = header_.lsn;
  EXPECT_EQ(CheckPieces({}), FormatRule::kOk);
  header_.durable = Lsn((1 << 20) - 4096);
  EXPECT_EQ(CheckPieces({}), FormatRule::kBatchFields);
}

TEST_F(BatchTest, B7ChainBroken) {
  context_.previous_crc ^= 1;
  EXPECT_EQ(Check(batch_), FormatRule::kBatchChain);
}

TEST_F(BatchTest, B8PayloadChanged) {
  batch_[70] ^= 1;
  EXPECT_EQ(Check(batch_), FormatRule::kBatchCrc);
  BatchHeader header;
  EXPECT_EQ(DecodeBatchHeader(AsBytes(batch_), &header), FormatRule::kOk)
      << "the header still bears witness";
}

TEST_F(BatchTest, B9RecordsContradictTheHeader) {
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 48, 2); }), FormatRule::kBatchRecords)
      << "one record too few counted";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 48, 4); }), FormatRule::kBatchRecords)
      << "one too many";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 64, 4000); }), FormatRule::kBatchRecords)
      << "a record longer than what is left";
  EXPECT_EQ(CheckChanged([](char* b) { Put32(b + 64, RecordFraming::kLengthMax); }),
            FormatRule::kBatchRecords);
  EXPECT_EQ(CheckChanged([](char* b) { b[64 + 4 + 5] = 1; }), FormatRule::kBatchRecords)
      << "padding of a record";
  EXPECT_EQ(CheckChanged([](char* b) { b[4095] = 1; }), FormatRule::kBatchRecords)
      << "padding of the batch";
}

TEST_F(BatchTest, B9EveryPaddingByteOfARecordIsZero) {
  for (size_t length = 0; length < 9; ++length) {
    const std::string good = MakeBatch(header_, {std::string(length, '\xff')});
    EXPECT_EQ(Check(good), FormatRule::kOk);
    for (size_t i = length; i % 4 != 0; ++i) {
      std::string bad = good;
      bad[64 + 4 + i] = 1;
      FixBatchCrcs(bad.data());
      EXPECT_EQ(Check(bad), FormatRule::kBatchRecords) << length << " bytes, padding byte " << i;
    }
  }
}

TEST_F(BatchTest, B9PiecesOutOfOrderInOneBatch) {
  const TestPiece last("tail", Piece::kLast), middle("body", Piece::kMiddle);
  const TestPiece first = TestPiece::First(100, "head");
  EXPECT_EQ(CheckPieces({last, "whole", first}), FormatRule::kOk);
  EXPECT_EQ(CheckPieces({middle}), FormatRule::kOk);
  EXPECT_EQ(CheckPieces({first}), FormatRule::kOk);
  EXPECT_EQ(CheckPieces({first, "whole"}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({"whole", last}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({middle, "whole"}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({"whole", middle}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({last, last}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({TestPiece("", Piece::kMiddle)}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({TestPiece("", Piece::kLast)}), FormatRule::kBatchRecords);
}

TEST_F(BatchTest, B9WholeLengthOfAFirstPiece) {
  EXPECT_EQ(CheckPieces({TestPiece("1234567", Piece::kFirst)}), FormatRule::kBatchRecords);
  EXPECT_EQ(CheckPieces({TestPiece::First(4, "head")}), FormatRule::kBatchRecords)
      << "nothing is left for a last piece";
  EXPECT_EQ(CheckPieces({TestPiece::First(kRecordBytesMax, "head")}), FormatRule::kOk);
  EXPECT_EQ(CheckPieces({TestPiece::First(kRecordBytesMax + 1, "head")}),
            FormatRule::kBatchRecords);
}

TEST_F(BatchTest, SaysWhereTheLastPieceBegins) {
  BatchHeader header;
  uint32_t last_piece_at = 0;
  EXPECT_EQ(CheckBatch(AsBytes(batch_), context_, &header, &last_piece_at), FormatRule::kOk);
  EXPECT_EQ(last_piece_at, 64u + (4 + 8) + 4);
}

TEST_F(BatchTest, LargestBatchAndLargestPiece) {
  context_.bytes_left = kBatchBytesMax;
  const uint32_t largest = kBatchBytesMax - kBatchHeaderBytes - kRecordFramingBytes;
  EXPECT_EQ(CheckPieces({std::string(largest, 'x')}), FormatRule::kOk);
}

TEST_F(BatchTest, RandomBytesNeverCrashTheDecoder) {
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937 random(seed);
    std::string batch = batch_;
    const int changes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < changes; ++i) {
      // Mostly in the header and the framing, with the CRCs made right again: past B2 and B8.
      batch[random() % 120] = static_cast<char>(random());
    }
    std::memcpy(batch.data(), "CWB1", 4);
    const uint32_t length = Get32(&batch[40]);
    if (length >= 64 && length <= batch.size()) {
      FixBatchCrcs(batch.data());
    } else {
      FixBatchHeaderCrc(batch.data());
    }
    BatchHeader header;
    const size_t cut = random() % 4 == 0 ? random() % batch.size() : batch.size();
    // An exact allocation, so that a sanitizer sees a read beyond it.
    const std::vector<char> exact(batch.begin(), batch.begin() + static_cast<long>(cut));
    CheckBatch({reinterpret_cast<const std::byte*>(exact.data()), exact.size()}, context_, &header);
  }
}

TEST(FormatRuleTest, EveryRuleHasItsLabel) {
  EXPECT_STREQ(FormatRuleText(FormatRule::kSegmentTooShort),
               "S0: the file is shorter than a segment header");
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(std::string(FormatRuleText(static_cast<FormatRule>(i))).substr(0, 3),
              "S" + std::to_string(i - 1) + ":");
  }
  for (int i = 6; i <= 15; ++i) {
    EXPECT_EQ(std::string(FormatRuleText(static_cast<FormatRule>(i))).substr(0, 3),
              "B" + std::to_string(i - 6) + ":");
  }
}

}  // namespace
}  // namespace corewal
