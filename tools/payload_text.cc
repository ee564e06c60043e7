#include "tools/payload_text.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace corewal {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// Bytes that stand for themselves, whatever is around them.
constexpr std::array<bool, 256> MakePlain() {
  std::array<bool, 256> plain{};
  for (int c = ' '; c <= '~'; ++c) plain[static_cast<size_t>(c)] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlain();

// True if all eight bytes are plain.
bool EightPlain(const uint8_t* bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighs = 0x8080808080808080;
  uint64_t x;
  std::memcpy(&x, bytes, sizeof(x));
  // A byte's high bit in `bad`: it is >= 0x80, < 0x20, or equal to '"', '\\' or DEL. The usual
  // zero-byte test may also mark a byte above a marked one, never a plain word.
  const auto has_zero = [](uint64_t y) { return (y - kOnes) & ~y; };
  const uint64_t bad = x | ((x - kOnes * 0x20) & ~x) | has_zero(x ^ kOnes * '"') |
                       has_zero(x ^ kOnes * '\\') | has_zero(x ^ kOnes * 0x7f);
  return (bad & kHighs) == 0;
}

// Length of the run of plain bytes at the front.
size_t PlainRun(const uint8_t* bytes, size_t size) {
  size_t i = 0;
  while (i + 8 <= size && EightPlain(bytes + i)) i += 8;
  while (i < size && kPlain[bytes[i]]) ++i;
  return i;
}

// Length of the well-formed UTF-8 sequence at the front, 0 if there is none.
size_t DecodeUtf8(const uint8_t* bytes, size_t size, char32_t* code_point) {
  const uint8_t lead = bytes[0];
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || size < length) return 0;
  char32_t value = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (bytes[i] & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
  *code_point = value;
  return length;
}

// Shown as it is: not a control, nothing invisible, nothing that reorders its neighbours.
bool Prints(char32_t c) {
  if (c < 0xa0) return c >= ' ' && c < 0x7f;
  constexpr char32_t kHidden[][2] = {
      {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},
      {0x2060, 0x206f}, {0xfdd0, 0xfdef}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
  };
  for (const auto& range : kHidden) {
    if (c >= range[0] && c <= range[1]) return false;
  }
  return (c & 0xfffe) != 0xfffe;  // a plane's last two are no characters
}

void AppendHexEscape(uint8_t byte, Output* out) {
  const char escape[] = {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
  out->Append(absl::string_view(escape, sizeof(escape)));
}

void AppendUnicodeEscape(uint32_t unit, Output* out) {
  const char escape[] = {'\\',
                         'u',
                         kHexDigits[unit >> 12 & 15],
                         kHexDigits[unit >> 8 & 15],
                         kHexDigits[unit >> 4 & 15],
                         kHexDigits[unit & 15]};
  out->Append(absl::string_view(escape, sizeof(escape)));
}

absl::string_view Text(const uint8_t* bytes, size_t size) {
  return absl::string_view(reinterpret_cast<const char*>(bytes), size);
}

void AppendJsonCharacter(char32_t c, const uint8_t* bytes, size_t length, Output* out) {
  if (c == '"' || c == '\\') {
    out->Append("\\").Append(Text(bytes, 1));
  } else if (c == '\n') {
    out->Append("\\n");
  } else if (c == '\t') {
    out->Append("\\t");
  } else if (Prints(c)) {
    out->Append(Text(bytes, length));
  } else if (c >= 0x10000) {
    AppendUnicodeEscape(0xd800 + ((c - 0x10000) >> 10), out);
    AppendUnicodeEscape(0xdc00 + ((c - 0x10000) & 0x3ff), out);
  } else {
    AppendUnicodeEscape(c, out);
  }
}

}  // namespace

void AppendEscaped(absl::Span<const std::byte> payload, Output* out) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(payload.data());
  size_t left = payload.size();
  while (left > 0) {
    const size_t run = PlainRun(bytes, left);
    if (run > 0) out->Append(Text(bytes, run));
    bytes += run;
    left -= run;
    if (left == 0) break;
    char32_t c = 0;
    size_t length = DecodeUtf8(bytes, left, &c);
    if (c == '"' || c == '\\') {
      out->Append("\\").Append(Text(bytes, 1));
    } else if (length > 0 && Prints(c)) {
      out->Append(Text(bytes, length));
    } else {
      if (length == 0) length = 1;
      for (size_t i = 0; i < length; ++i) AppendHexEscape(bytes[i], out);
    }
    bytes += length;
    left -= length;
  }
}

bool IsUtf8(absl::Span<const std::byte> payload) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(payload.data());
  size_t left = payload.size();
  while (left > 0) {
    size_t length = PlainRun(bytes, left);
    char32_t c;
    if (length == 0) length = DecodeUtf8(bytes, left, &c);
    if (length == 0) return false;
    bytes += length;
    left -= length;
  }
  return true;
}

void AppendJsonString(absl::Span<const std::byte> payload, Output* out) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(payload.data());
  size_t left = payload.size();
  out->Append("\"");
  while (left > 0) {
    const size_t run = PlainRun(bytes, left);
    if (run > 0) out->Append(Text(bytes, run));
    bytes += run;
    left -= run;
    if (left == 0) break;
    char32_t c = 0;
    const size_t length = DecodeUtf8(bytes, left, &c);
    CHECK_GT(length, 0u) << "not UTF-8";
    AppendJsonCharacter(c, bytes, length, out);
    bytes += length;
    left -= length;
  }
  out->Append("\"");
}

void AppendBase64(absl::Span<const std::byte> payload, Output* out) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(payload.data());
  size_t left = payload.size();
  while (left >= 3) {
    char* next = out->Reserve(4);
    const uint32_t bits =
        static_cast<uint32_t>(bytes[0]) << 16 | static_cast<uint32_t>(bytes[1]) << 8 | bytes[2];
    for (int shift = 18; shift >= 0; shift -= 6) *next++ = kDigits[bits >> shift & 63];
    out->Advance(next);
    bytes += 3;
    left -= 3;
  }
  if (left == 0) return;
  const uint32_t bits = static_cast<uint32_t>(bytes[0]) << 16 |
                        (left == 2 ? static_cast<uint32_t>(bytes[1]) << 8 : 0);
  char* next = out->Reserve(4);
  *next++ = kDigits[bits >> 18 & 63];
  *next++ = kDigits[bits >> 12 & 63];
  *next++ = left == 2 ? kDigits[bits >> 6 & 63] : '=';
  *next++ = '=';
  out->Advance(next);
}

}  // namespace corewal
