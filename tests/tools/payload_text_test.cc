#include "tools/payload_text.h"

#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

using namespace std::string_literals;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

// What `print` writes.
template <typename Print>
std::string Printed(Print print) {
  FILE* const file = tmpfile();
  Output out(fileno(file), "test");
  print(&out);
  EXPECT_TRUE(out.Send().ok());
  std::string text(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), 0);
  EXPECT_EQ(pread(fileno(file), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  fclose(file);
  return text;
}

std::string Escaped(const std::string& text) {
  return Printed([&](Output* out) { AppendEscaped(Bytes(text), out); });
}
std::string Json(const std::string& text) {
  return Printed([&](Output* out) { AppendJsonString(Bytes(text), out); });
}
std::string Base64(const std::string& text) {
  return Printed([&](Output* out) { AppendBase64(Bytes(text), out); });
}

TEST(PayloadTextTest, PrintableAsciiStaysAsItIs) {
  EXPECT_EQ(Escaped("hello, world ~!@#$%^&*()_+"), "hello, world ~!@#$%^&*()_+");
  EXPECT_EQ(Escaped(""), "");
}

TEST(PayloadTextTest, QuotesAndBackslashesAreEscaped) {
  EXPECT_EQ(Escaped("say \"hi\" \\ bye"), "say \\\"hi\\\" \\\\ bye");
}

TEST(PayloadTextTest, NoControlByteReachesTheTerminal) {
  EXPECT_EQ(Escaped("\x1b[2J\n\r\t\0\x7f"s), "\\x1b[2J\\x0a\\x0d\\x09\\x00\\x7f");
  for (int c = 0; c < 256; ++c) {
    for (const char shown : Escaped("abcdefg" + std::string(1, static_cast<char>(c)) + "hijklmn")) {
      EXPECT_TRUE(shown >= ' ' && shown <= '~') << "byte " << c;
    }
  }
}

TEST(PayloadTextTest, Utf8StaysAndEverythingElseIsEscapedByByte) {
  EXPECT_EQ(Escaped("grün €5 \U0001f600"), "grün €5 \U0001f600");
  EXPECT_EQ(Escaped("a\xff\xfe"), "a\\xff\\xfe");
  EXPECT_EQ(Escaped("cut \xe2\x82"), "cut \\xe2\\x82");
  EXPECT_EQ(Escaped("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(Escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
}

TEST(PayloadTextTest, CharactersThatHideOrReorderAreEscaped) {
  EXPECT_EQ(Escaped("a\u202eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(Escaped("\u0085"), "\\xc2\\x85");
  EXPECT_EQ(Escaped("\ufeff"), "\\xef\\xbb\\xbf");
}

TEST(PayloadTextTest, EscapedBytesReadBackAsTheyWere) {
  std::mt19937 random(20240229);
  for (int round = 0; round < 2000; ++round) {
    std::string payload(random() % 100, '\0');
    for (char& c : payload) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
    const std::string escaped = Escaped(payload);
    std::string back;
    for (size_t i = 0; i < escaped.size();) {
      if (escaped[i] != '\\') {
        back += escaped[i++];
      } else if (escaped[i + 1] == 'x') {
        back += static_cast<char>(std::stoi(escaped.substr(i + 2, 2), nullptr, 16));
        i += 4;
      } else {
        back += escaped[i + 1];
        i += 2;
      }
    }
    ASSERT_EQ(back, payload) << escaped;
  }
}

TEST(PayloadTextTest, KnowsUtf8) {
  EXPECT_TRUE(IsUtf8(Bytes("")));
  EXPECT_TRUE(IsUtf8(Bytes("plain \" \\ \n\0 text"s)));
  EXPECT_TRUE(IsUtf8(Bytes("grün €5 \U0001f600 \u202e")));
  for (const std::string& bad : {"\x80"s, "\xc3"s, "\xc0\x80"s, "\xe0\x80\x80"s, "\xed\xbf\xbf"s,
                                 "\xf0\x80\x80\x80"s, "\xf5\x80\x80\x80"s, "12345678\xff"s}) {
    EXPECT_FALSE(IsUtf8(Bytes(bad))) << absl::CHexEscape(bad);
  }
}

TEST(PayloadTextTest, JsonEscapesWhatJsonAndTerminalsForbid) {
  EXPECT_EQ(Json("a\"b\\c\n\t\x1b\x7f\0"s), "\"a\\\"b\\\\c\\n\\t\\u001b\\u007f\\u0000\"");
  EXPECT_EQ(Json("grün \U0001f600"), "\"grün \U0001f600\"");
  EXPECT_EQ(Json("\u202e"), "\"\\u202e\"");
  EXPECT_EQ(Json("\U000e0041"), "\"\\udb40\\udc41\"");  // hidden, beyond the first plane
}

TEST(PayloadTextTest, Base64AgreesWithAbseil) {
  std::string payload;
  for (int length = 0; length < 70; ++length) {
    EXPECT_EQ(Base64(payload), absl::Base64Escape(payload)) << length;
    payload += static_cast<char>(length * 37 + 200);
  }
}

TEST(PayloadTextTest, APayloadLargerThanTheBufferComesOutWhole) {
  std::string payload(3 * Output::kBufferBytes + 12345, '\0');
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>('a' + i * i % 26);
  EXPECT_EQ(Escaped(payload), payload);
  EXPECT_EQ(Json(payload), "\"" + payload + "\"");
  EXPECT_EQ(Base64(payload), absl::Base64Escape(payload));
}

}  // namespace
}  // namespace corewal
