#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

// RFC 3720, appendix B.4.
TEST(Crc32cTest, KnownAnswers) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(Crc32c(Bytes(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Crc32cTest, ExtendingEqualsTheWholeAtEverySplit) {
  std::string text(300, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  const uint32_t whole = Crc32c(Bytes(text));
  for (size_t split = 0; split <= text.size(); ++split) {
    const uint32_t head = Crc32c(Bytes(text.substr(0, split)));
    EXPECT_EQ(ExtendCrc32c(head, Bytes(text.substr(split))), whole) << split;
  }
}

}  // namespace
}  // namespace corewal
