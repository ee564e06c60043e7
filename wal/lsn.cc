#include "wal/lsn.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"

namespace corewal {

std::string LogUuid::ToString() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    const auto value = std::to_integer<unsigned>(bytes[i]);
    text.push_back(kHex[value >> 4]);
    text.push_back(kHex[value & 15]);
  }
  return text;
}

LogUuid LogUuid::Random() {
  LogUuid uuid;
  for (size_t half = 0; half < 2; ++half) {
    const uint64_t bits = RandomUint64();
    std::memcpy(uuid.bytes.data() + 8 * half, &bits, sizeof(bits));
  }
  return uuid;
}

absl::StatusOr<LogUuid> LogUuid::Parse(absl::string_view text) {
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i] != '-') break;
    } else if (absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) {
      digits.push_back(text[i]);
    }
  }
  if (text.size() != 36 || digits.size() != 32) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a UUID"));
  }
  const std::string raw = absl::HexStringToBytes(digits);
  LogUuid uuid;
  std::memcpy(uuid.bytes.data(), raw.data(), raw.size());
  return uuid;
}

}  // namespace corewal
