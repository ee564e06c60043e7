#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <climits>

namespace corewal {

uint32_t ExtendCrc32c(uint32_t crc, absl::Span<const std::byte> data) {
  // crc32_iscsi neither inverts before nor after, and takes an int and a pointer to non-const.
  uint32_t state = ~crc;
  while (!data.empty()) {
    const size_t n = std::min<size_t>(data.size(), INT_MAX);
    auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(data.data()));
    state = crc32_iscsi(bytes, static_cast<int>(n), state);
    data.remove_prefix(n);
  }
  return ~state;
}

}  // namespace corewal
