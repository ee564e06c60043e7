// tests/proof/allocation_count.h: how often this process has asked for heap memory.
//
// Counts malloc, calloc, realloc and aligned ones, whoever calls them: operator new, a library of
// the system, C. Linking it in is enough.
// Thread: any; the count is of all threads.
#ifndef COREWAL_TESTS_PROOF_ALLOCATION_COUNT_H_
#define COREWAL_TESTS_PROOF_ALLOCATION_COUNT_H_

#include <cstdint>

namespace corewal {

// Since the program began. Only differences mean something.
uint64_t AllocationCount();

}  // namespace corewal

#endif  // COREWAL_TESTS_PROOF_ALLOCATION_COUNT_H_
