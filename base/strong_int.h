// base/strong_int.h: an unsigned 64-bit number with a meaning, so that an LSN is never taken for a
// file offset. Positions add byte counts and subtract to byte counts; they never add to each other.
//
//   using Lsn = StrongInt<struct LsnTag>;
//   Lsn end = begin + length;      uint64_t length = end - begin;
#ifndef COREWAL_BASE_STRONG_INT_H_
#define COREWAL_BASE_STRONG_INT_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>

namespace corewal {

template <typename Tag>
class StrongInt {
 public:
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }

  friend constexpr auto operator<=>(StrongInt a, StrongInt b) = default;
  friend constexpr StrongInt operator+(StrongInt a, uint64_t n) { return StrongInt(a.value_ + n); }
  friend constexpr uint64_t operator-(StrongInt a, StrongInt b) { return a.value_ - b.value_; }
  constexpr StrongInt& operator+=(uint64_t n) {
    value_ += n;
    return *this;
  }

  friend std::ostream& operator<<(std::ostream& os, StrongInt v) { return os << v.value_; }

 private:
  uint64_t value_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_BASE_STRONG_INT_H_
