// base/random.h: unpredictable numbers for identities (UUIDs, incarnations), from getrandom(2).
#ifndef COREWAL_BASE_RANDOM_H_
#define COREWAL_BASE_RANDOM_H_

#include <cstdint>

namespace corewal {

uint64_t RandomUint64();  // any thread

}  // namespace corewal

#endif  // COREWAL_BASE_RANDOM_H_
