// wal/little_endian.h: numbers to and from the little-endian bytes of a log, at any alignment.
#ifndef COREWAL_WAL_LITTLE_ENDIAN_H_
#define COREWAL_WAL_LITTLE_ENDIAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace corewal {

static_assert(std::endian::native == std::endian::little, "a big-endian host must swap here");

inline uint32_t LoadLe32(const std::byte* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline uint64_t LoadLe64(const std::byte* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline void StoreLe32(uint32_t value, std::byte* to) { std::memcpy(to, &value, sizeof(value)); }
inline void StoreLe64(uint64_t value, std::byte* to) { std::memcpy(to, &value, sizeof(value)); }

}  // namespace corewal

#endif  // COREWAL_WAL_LITTLE_ENDIAN_H_
