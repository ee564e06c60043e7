#include "benchmarks/peers/record_maker.h"

#include <array>

#include "base/seeded_random.h"

namespace corewal::peers {
namespace {

// 64 printable characters in ASCII order, so that encoded numbers sort.
constexpr absl::string_view kAlphabet =
    "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
static_assert(kAlphabet.size() == 64);
constexpr int kClientShift = 36;

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> values{};
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return values;
}();

}  // namespace

RecordMaker::RecordMaker(size_t record_bytes, int client)
    : body_(record_bytes, '\0'), sequence_(static_cast<uint64_t>(client) << kClientShift) {
  SeededRandom random(12345 + static_cast<uint64_t>(client));
  for (char& c : body_) c = kAlphabet[random.Next() % kAlphabet.size()];
}

absl::string_view RecordMaker::Next() {
  uint64_t rest = sequence_++;
  for (size_t i = kSequenceChars; i-- > 0; rest >>= 6) body_[i] = kAlphabet[rest & 63];
  return body_;
}

uint64_t DecodeSequence(absl::string_view record) {
  uint64_t value = 0;
  for (size_t i = 0; i < kSequenceChars; ++i) {
    value = value << 6 | kValues[static_cast<uint8_t>(record[i])];
  }
  return value;
}

}  // namespace corewal::peers
