#include "tools/ack_line.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

std::string Format(const AckLine& ack) {
  AckLineBuffer buffer;
  return std::string(FormatAckLine(ack, &buffer));
}

TEST(AckLineTest, FormatsOneWholeLine) {
  EXPECT_EQ(Format({ShardId{3}, 12345, Lsn(1589248)}), "ACK shard=3 seq=12345 lsn=1589248\n");
}

TEST(AckLineTest, TheLargestNumbersFitTheBufferAndComeBack) {
  const AckLine largest{ShardId{65535}, UINT64_MAX, Lsn(UINT64_MAX)};
  const std::string line = Format(largest);
  const auto parsed = ParseAckLine(absl::string_view(line.data(), line.size() - 1));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, largest);
}

TEST(AckLineTest, RefusesEveryOtherShape) {
  for (const char* line : {
           "",
           "ACK",
           "ACK shard=0 seq=1",
           "ACK shard=0 seq=1 lsn=",
           "ACK shard=0 seq=1 lsn=4160 ",
           "ACK shard=0 seq=1 lsn=4160\r",
           " ACK shard=0 seq=1 lsn=4160",
           "ACK shard=0  seq=1 lsn=4160",
           "ACK shard=-1 seq=1 lsn=4160",
           "ACK shard=+1 seq=1 lsn=4160",
           "ACK shard=0 seq=01 lsn=4160",
           "ACK shard=0 seq=0 lsn=4160",
           "ACK shard=0 seq=1 lsn=0",
           "ACK shard=65536 seq=1 lsn=4160",
           "ACK shard=0 seq=18446744073709551616 lsn=4160",
           "ACK shard=0 seq=0x1 lsn=4160",
           "ack shard=0 seq=1 lsn=4160",
           "ACK seq=1 shard=0 lsn=4160",
       }) {
    EXPECT_FALSE(ParseAckLine(line).ok()) << line;
  }
}

TEST(AckLineTest, TheMessageQuotesTheLineWithoutItsControlBytes) {
  const auto parsed = ParseAckLine("ACK\x1b[2J");
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr("\"ACK\\x1b[2J\""));
}

}  // namespace
}  // namespace corewal
