// Round trips of corewal's own records, and refusal of what Encode could not have made.
#include "wal/control_record.h"

#include <gtest/gtest.h>

#include <string>

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}
std::string Text(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(ControlRecordTest, EpochBarrierComesBack) {
  const std::string bytes = EpochBarrierRecord{Epoch(1ull << 40), 7}.Encode();
  const auto barrier = EpochBarrierRecord::Decode(Bytes(bytes));
  ASSERT_TRUE(barrier.has_value());
  EXPECT_EQ(barrier->epoch, Epoch(1ull << 40));
  EXPECT_EQ(barrier->shards, 7u);
  EXPECT_FALSE(EpochBarrierRecord::Decode(Bytes(bytes + "x")).has_value());
  EXPECT_FALSE(EpochBarrierRecord::Decode(Bytes(bytes.substr(1))).has_value());
}

TEST(ControlRecordTest, CheckpointComesBackWithItsNote) {
  for (const std::string note : {"", "snapshot-17"}) {
    const std::string bytes = CheckpointRecord{Lsn(12345), Bytes(note)}.Encode();
    const auto checkpoint = CheckpointRecord::Decode(Bytes(bytes));
    ASSERT_TRUE(checkpoint.has_value());
    EXPECT_EQ(checkpoint->lsn, Lsn(12345));
    EXPECT_EQ(Text(checkpoint->note), note);
  }
  EXPECT_FALSE(CheckpointRecord::Decode(Bytes("seven77")).has_value());
}

TEST(ControlRecordTest, AtomicPartComesBackWithTheUsersTypeAndPayload) {
  const AtomicPartRecord part{{11, 12}, ShardId{3}, static_cast<RecordType>(9), {}};
  const std::string bytes = part.EncodePrefix() + "payload";
  const auto decoded = AtomicPartRecord::Decode(Bytes(bytes));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->id, (AtomicBatchId{11, 12}));
  EXPECT_EQ(decoded->home, ShardId{3});
  EXPECT_EQ(decoded->type, static_cast<RecordType>(9));
  EXPECT_EQ(Text(decoded->payload), "payload");
  std::string wrong = bytes;
  wrong[20] = '\x80';  // a type that is not the user's
  EXPECT_FALSE(AtomicPartRecord::Decode(Bytes(wrong)).has_value());
  EXPECT_FALSE(AtomicPartRecord::Decode(Bytes(bytes.substr(0, 23))).has_value());
}

TEST(ControlRecordTest, AtomicHomeNamesItsPartsAndIsNotReadBeyondItsEnd) {
  const std::string payload = "home";
  AtomicHomeRecord home;
  home.id = {1, 2};
  home.type = static_cast<RecordType>(127);
  home.parts = {{ShardId{1}, Lsn(4160)}, {ShardId{65535}, Lsn(1ull << 50)}};
  home.payload = Bytes(payload);
  const std::string bytes = home.Encode();
  const auto decoded = AtomicHomeRecord::Decode(Bytes(bytes));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->id, home.id);
  EXPECT_EQ(decoded->type, home.type);
  EXPECT_EQ(decoded->parts, home.parts);
  EXPECT_EQ(Text(decoded->payload), payload);
  for (const char count : {'\x04', '\xff'}) {  // more parts than there are bytes
    std::string wrong = bytes;
    wrong[20] = count;
    EXPECT_FALSE(AtomicHomeRecord::Decode(Bytes(wrong)).has_value());
  }
}

}  // namespace
}  // namespace corewal
