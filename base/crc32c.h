// base/crc32c.h: CRC-32C (Castagnoli, RFC 3720 appendix B.4) by ISA-L.
//
//   Crc32c("123456789") == 0xe3069283
#ifndef COREWAL_BASE_CRC32C_H_
#define COREWAL_BASE_CRC32C_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace corewal {

// Extends `crc`, the CRC of some bytes A, to the CRC of A followed by `data`. Any thread.
uint32_t ExtendCrc32c(uint32_t crc, absl::Span<const std::byte> data);

inline uint32_t Crc32c(absl::Span<const std::byte> data) { return ExtendCrc32c(0, data); }

}  // namespace corewal

#endif  // COREWAL_BASE_CRC32C_H_
