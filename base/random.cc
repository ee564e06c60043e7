#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace corewal {

uint64_t RandomUint64() {
  uint64_t value = 0;
  // Up to 256 bytes come whole and uninterrupted once the kernel's pool is seeded: getrandom(2).
  CHECK_EQ(getrandom(&value, sizeof(value), 0), static_cast<ssize_t>(sizeof(value)));
  return value;
}

}  // namespace corewal
