// io_backend/free_set.h: which of a fixed number of indices are free; the lowest is taken first.
//
// Lowest first keeps what is in use together at the low end: the high end falls idle, and may be
// given back. Nothing is allocated after construction; taking looks at one word for 4096 indices,
// then at one more.
// Thread: one at a time.
#ifndef COREWAL_IO_BACKEND_FREE_SET_H_
#define COREWAL_IO_BACKEND_FREE_SET_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/check.h"

namespace corewal {

class FreeSet {
 public:
  // Empty; indices 0 .. capacity - 1.
  explicit FreeSet(uint32_t capacity) : words_(capacity / 64 + 1), summary_(capacity / 4096 + 1) {}

  bool Has(uint32_t index) const { return (words_[index / 64] >> (index % 64) & 1) != 0; }
  void Add(uint32_t index) {
    CHECK(!Has(index)) << "index " << index << " is free already";
    words_[index / 64] |= uint64_t{1} << (index % 64);
    summary_[index / 4096] |= uint64_t{1} << (index / 64 % 64);
    ++size_;
  }
  void Remove(uint32_t index) {
    CHECK(Has(index)) << "index " << index << " is not free";
    words_[index / 64] &= ~(uint64_t{1} << (index % 64));
    if (words_[index / 64] == 0) summary_[index / 4096] &= ~(uint64_t{1} << (index / 64 % 64));
    --size_;
  }
  // None if it is empty.
  std::optional<uint32_t> TakeLowest() {
    for (size_t i = 0; i < summary_.size(); ++i) {
      if (summary_[i] == 0) continue;
      const size_t word = i * 64 + static_cast<size_t>(std::countr_zero(summary_[i]));
      const auto index =
          static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(words_[word])));
      Remove(index);
      return index;
    }
    return std::nullopt;
  }
  uint32_t size() const { return size_; }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint64_t> summary_;  // which words are not 0
  uint32_t size_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_FREE_SET_H_
