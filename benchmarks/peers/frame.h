// benchmarks/peers/frame.h: how the raw peers frame a record.
//
//   | Frame, 16 bytes | record | zeros to a multiple of 8 |      a batch is padded to whole blocks
#ifndef COREWAL_BENCHMARKS_PEERS_FRAME_H_
#define COREWAL_BENCHMARKS_PEERS_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crc32c.h"

namespace corewal::peers {

inline constexpr size_t kBlockBytes = 4096;  // what O_DIRECT writes are padded to

struct Frame {
  uint32_t record_bytes;  // 0: padding up to the next block
  uint32_t crc;           // CRC-32C of the record
  uint64_t sequence;
};
static_assert(sizeof(Frame) == 16);

inline size_t FramedBytes(size_t record_bytes) {
  return sizeof(Frame) + (record_bytes + 7) / 8 * 8;
}
inline size_t PadToBlock(size_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}
inline uint32_t CrcOf(absl::string_view record) {
  return Crc32c(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(record.data()), record.size()));
}
// `to` has room for FramedBytes(record.size()).
inline void PutFramed(const Frame& frame, absl::string_view record, std::byte* to) {
  std::memcpy(to, &frame, sizeof(frame));
  std::memcpy(to + sizeof(frame), record.data(), record.size());
}

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_FRAME_H_
