#include "tools/made_record.h"

#include <array>
#include <charconv>
#include <cstring>

namespace corewal {
namespace {

constexpr size_t kShardDigits = 5;
constexpr size_t kSeqDigits = 17;
static_assert(kShardDigits + 1 + kSeqDigits + 1 == kMadeNameBytes);

// Right to left over the zeros that are there.
void PutDigits(uint64_t number, char* digits, size_t count) {
  for (; number != 0 && count > 0; number /= 10) {
    digits[--count] = static_cast<char>('0' + number % 10);
  }
}

// All eight at once, in lanes of a word: a record's name must not cost more than its content. The
// multiplications divide by 100 and by 10, exactly in the range of their lanes.
void PutEightDigits(uint64_t number, char* digits) {
  uint64_t x = number / 10'000 | number % 10'000 << 32;
  const uint64_t hundreds = x * 10'486 >> 20 & 0x0000007f'0000007f;
  x = hundreds | (x - hundreds * 100) << 16;
  const uint64_t tens = x * 103 >> 10 & 0x000f000f'000f000f;
  x = tens | (x - tens * 10) << 8 | 0x30303030'30303030;
  std::memcpy(digits, &x, sizeof(x));  // little endian, as the format
}

// "SSSSS/NNNNNNNNNNNNNNNNN ", kMadeNameBytes of it.
void PutName(ShardId shard, uint64_t seq, char* text) {
  constexpr uint64_t kEightDigits = 100'000'000;
  std::memcpy(text, "00000/00000000000000000 ", kMadeNameBytes);
  PutDigits(ToIndex(shard), text, kShardDigits);
  char* const digits = text + kShardDigits + 1;
  PutEightDigits(seq % kEightDigits, digits + kSeqDigits - 8);
  if (seq < kEightDigits) return;
  PutEightDigits(seq / kEightDigits % kEightDigits, digits + kSeqDigits - 16);
  digits[0] = static_cast<char>('0' + seq / kEightDigits / kEightDigits % 10);
}

// The end of a name, without its space: a record that is too short for all of it.
struct ShortName {
  ShortName(ShardId shard, uint64_t seq) { PutName(shard, seq, text); }
  const char* End(size_t length) const { return text + kMadeNameBytes - 1 - length; }
  char text[kMadeNameBytes];
};

uint64_t Mix(uint64_t x) {  // the finalizer of splitmix64
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// Five bits of each byte, moved to '_' .. '~': no quote, no backslash, nothing to escape.
constexpr uint64_t Printable(uint64_t x) { return (x & 0x1f1f1f1f1f1f1f1f) + 0x5f5f5f5f5f5f5f5f; }

// What bodies are cut from: small enough to stay in the first-level cache, so that making a record
// costs little more than copying it.
constexpr size_t kPieceBytes = 1024;
constexpr size_t kPlaces = 4096;  // where a piece may begin in the table
constexpr size_t kStampBytes = 8;

constexpr std::array<uint64_t, (kPlaces + kPieceBytes) / 8> MakeTable() {
  std::array<uint64_t, (kPlaces + kPieceBytes) / 8> table{};
  uint64_t x = 0x9e3779b97f4a7c15;
  for (uint64_t& word : table) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    word = Printable(x);
  }
  return table;
}
constexpr std::array kTable = MakeTable();

// The pseudo-random part of one record: a stamp of its own, then pieces of the table.
class Body {
 public:
  Body(ShardId shard, uint64_t seq, uint64_t length)
      : seed_(
            Mix(seq * 0x9e3779b97f4a7c15 + (length << 16 | ToIndex(shard)) * 0xd1342543de82ef95)) {}

  // Calls visit(bytes, count) for consecutive stretches that make up `length` bytes, until it
  // returns false.
  template <typename Visit>
  bool ForEachStretch(size_t length, Visit visit) const {
    const uint64_t stamp = Printable(seed_);
    if (length <= kStampBytes) return visit(reinterpret_cast<const char*>(&stamp), length);
    if (!visit(reinterpret_cast<const char*>(&stamp), kStampBytes)) return false;
    uint64_t place = seed_ >> 52;
    for (length -= kStampBytes; length > kPieceBytes; length -= kPieceBytes) {
      if (!visit(Table(place), kPieceBytes)) return false;
      place = Mix(seed_ + length) >> 52;
    }
    return visit(Table(place), length);
  }

 private:
  static_assert(kPlaces == 1u << (64 - 52));
  static const char* Table(uint64_t place) {
    return reinterpret_cast<const char*>(kTable.data()) + place;
  }
  const uint64_t seed_;
};

bool ParseDigits(const char* begin, const char* end, uint64_t* number) {
  const auto result = std::from_chars(begin, end, *number);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

void MakeRecord(ShardId shard, uint64_t seq, absl::Span<std::byte> out) {
  if (out.size() < kMadeNameBytes) {
    const ShortName name(shard, seq);
    if (!out.empty()) std::memcpy(out.data(), name.End(out.size()), out.size());
    return;
  }
  PutName(shard, seq, reinterpret_cast<char*>(out.data()));
  std::byte* next = out.data() + kMadeNameBytes;
  Body(shard, seq, out.size())
      .ForEachStretch(out.size() - kMadeNameBytes, [&](const char* bytes, size_t count) {
        std::memcpy(next, bytes, count);
        next += count;
        return true;
      });
}

bool VerifyMadeRecord(ShardId shard, uint64_t seq, absl::Span<const std::byte> payload) {
  if (payload.size() < kMadeNameBytes) {
    const ShortName name(shard, seq);
    return payload.empty() ||
           std::memcmp(payload.data(), name.End(payload.size()), payload.size()) == 0;
  }
  char name[kMadeNameBytes];
  PutName(shard, seq, name);
  if (std::memcmp(payload.data(), name, kMadeNameBytes) != 0) return false;
  const std::byte* next = payload.data() + kMadeNameBytes;
  return Body(shard, seq, payload.size())
      .ForEachStretch(payload.size() - kMadeNameBytes, [&](const char* bytes, size_t count) {
        const bool same = std::memcmp(next, bytes, count) == 0;
        next += count;
        return same;
      });
}

std::optional<MadeRecordName> IdentifyMadeRecord(absl::Span<const std::byte> payload) {
  if (payload.size() < kMadeNameBytes) return std::nullopt;
  const char* const text = reinterpret_cast<const char*>(payload.data());
  uint64_t shard = 0;
  MadeRecordName name;
  if (!ParseDigits(text, text + kShardDigits, &shard) ||
      !ParseDigits(text + kShardDigits + 1, text + kMadeNameBytes - 1, &name.seq)) {
    return std::nullopt;
  }
  name.shard = static_cast<ShardId>(shard);
  if (!VerifyMadeRecord(name.shard, name.seq, payload)) return std::nullopt;
  return name;
}

}  // namespace corewal
