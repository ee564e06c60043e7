#include "wal/lsn.h"

#include "gtest/gtest.h"

namespace corewal {
namespace {

TEST(LogUuidTest, PrintsTheUsualShape) {
  LogUuid uuid;
  EXPECT_TRUE(uuid.is_zero());
  for (size_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::byte>(i * 17);
  EXPECT_EQ(uuid.ToString(), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_FALSE(uuid.is_zero());
}

TEST(LogUuidTest, RandomOnesDiffer) {
  const LogUuid one = LogUuid::Random(), other = LogUuid::Random();
  EXPECT_FALSE(one == other);
  EXPECT_FALSE(one.is_zero());
}

TEST(IncarnationTest, CountOrdersThem) {
  const Incarnation early{(uint64_t{1} << 32) | 0xffffffff}, late{uint64_t{2} << 32};
  EXPECT_LT(early, late);
  EXPECT_EQ(late.count(), 2u);
}

}  // namespace
}  // namespace corewal
