// tests/fuzz/targets.h: what the fuzzers run, one function each. The same functions go over the
// corpus in every ordinary test run (corpus_test).
//
// Each takes any bytes, must return, and must not crash, hang, or take memory beyond what the bytes
// describe. What they find to be wrong by themselves fails a CHECK.
#ifndef COREWAL_TESTS_FUZZ_TARGETS_H_
#define COREWAL_TESTS_FUZZ_TARGETS_H_

#include <cstdint>

#include "absl/types/span.h"

namespace corewal {

using FuzzInput = absl::Span<const uint8_t>;

// The codec of batches and segment headers. First byte: whether the CRCs are made right first.
void FuzzBatch(FuzzInput input);
// Reader, recovery and writer on a hostile directory (hostile_log.h), on a simulated disk.
void FuzzLog(FuzzInput input);
// A whole run of wal-dump on such a directory, on a real file system.
void FuzzDump(FuzzInput input);

}  // namespace corewal

#endif  // COREWAL_TESTS_FUZZ_TARGETS_H_
