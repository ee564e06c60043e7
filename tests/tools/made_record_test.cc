#include "tools/made_record.h"

#include <cstring>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace corewal {
namespace {

std::string Make(uint32_t shard, uint64_t seq, size_t length) {
  std::string record(length, '\0');
  MakeRecord(ShardId{shard}, seq,
             absl::MakeSpan(reinterpret_cast<std::byte*>(record.data()), length));
  return record;
}

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

bool Verify(uint32_t shard, uint64_t seq, const std::string& record) {
  return VerifyMadeRecord(ShardId{shard}, seq, Bytes(record));
}

const size_t kLengths[] = {0, 1, 5, 23, 24, 25, 55, 56, 57, 128, 4096, 100'003};

TEST(MadeRecordTest, BeginsWithShardAndSequenceForTheEye) {
  EXPECT_EQ(Make(7, 12345, 128).substr(0, 24), "00007/00000000000012345 ");
  EXPECT_EQ(Make(65535, 99999999999999999, 24), "65535/99999999999999999 ");
}

TEST(MadeRecordTest, AShortRecordKeepsTheSequencesLastDigits) {
  EXPECT_EQ(Make(7, 12345, 5), "12345");
  EXPECT_EQ(Make(7, 12345, 3), "345");
  EXPECT_EQ(Make(7, 12345, 23), "00007/00000000000012345");
  EXPECT_EQ(Make(7, 12345, 0), "");
}

// Content must stay the same for good: logs are checked by later versions, on other machines.
TEST(MadeRecordTest, ContentIsFixedForever) {
  EXPECT_EQ(Make(1, 2, 64).substr(24), "dnwkq_agkzrds~drm|whpegalljlzwsx|jowhese");
}

TEST(MadeRecordTest, VerifiesWhatWasMadeAtAnyLength) {
  for (const size_t length : kLengths) {
    EXPECT_TRUE(Verify(3, 77, Make(3, 77, length))) << length;
  }
}

TEST(MadeRecordTest, EveryByteIsPrintableAndNeedsNoEscape) {
  for (const char c : Make(3, 77, 100'000)) {
    ASSERT_TRUE(c >= ' ' && c <= '~' && c != '"' && c != '\\') << static_cast<int>(c);
  }
}

TEST(MadeRecordTest, AnyFlippedBitIsNoticed) {
  for (const size_t length : {size_t{5}, size_t{24}, size_t{100}}) {
    std::string record = Make(3, 77, length);
    for (size_t byte = 0; byte < length; ++byte) {
      for (int bit = 0; bit < 8; ++bit) {
        record[byte] ^= static_cast<char>(1 << bit);
        EXPECT_FALSE(Verify(3, 77, record)) << "byte " << byte << " bit " << bit;
        record[byte] ^= static_cast<char>(1 << bit);
      }
    }
  }
}

TEST(MadeRecordTest, AnotherRecordIsNoticedEvenUnderTheRightName) {
  for (const size_t length : {size_t{25}, size_t{128}}) {
    EXPECT_FALSE(Verify(3, 78, Make(3, 77, length)));
    EXPECT_FALSE(Verify(2, 77, Make(3, 77, length)));
  }
  const std::string stamped = Make(3, 77, 24) + Make(3, 78, 128).substr(24);
  EXPECT_FALSE(Verify(3, 77, stamped));
}

TEST(MadeRecordTest, ARecordCutOrExtendedIsNoticed) {
  const std::string record = Make(3, 77, 1000);
  EXPECT_FALSE(Verify(3, 77, record.substr(0, 999)));
  EXPECT_FALSE(Verify(3, 77, record.substr(0, 24 + 32)));
  EXPECT_FALSE(Verify(3, 77, record + "_"));
}

TEST(MadeRecordTest, BodiesOfNeighboursDiffer) {
  std::set<std::string> bodies;
  for (uint64_t seq = 1; seq <= 10'000; ++seq) bodies.insert(Make(0, seq, 64).substr(24));
  EXPECT_EQ(bodies.size(), 10'000u);
}

TEST(MadeRecordTest, IdentifiesAWholeMadeRecordOnly) {
  const auto name = IdentifyMadeRecord(Bytes(Make(3, 77, 128)));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->shard, ShardId{3});
  EXPECT_EQ(name->seq, 77u);
  EXPECT_FALSE(IdentifyMadeRecord(Bytes(Make(3, 77, 128).substr(0, 127))).has_value());
  EXPECT_FALSE(IdentifyMadeRecord(Bytes("something else, also longer than a name")).has_value());
  EXPECT_FALSE(IdentifyMadeRecord(Bytes("77")).has_value());
}

}  // namespace
}  // namespace corewal
