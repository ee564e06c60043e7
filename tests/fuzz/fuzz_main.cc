// libFuzzer's entry, once for each function of targets.h.
#include <csignal>
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

#ifndef COREWAL_FUZZ_TARGET  // the build names one; this is for tools that look at this file alone
#define COREWAL_FUZZ_TARGET FuzzBatch
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  corewal::COREWAL_FUZZ_TARGET(corewal::FuzzInput(data, size));
  return 0;
}
