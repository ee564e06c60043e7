// tests/fuzz/hostile_log.h: a directory of segment files as a short string of bytes, so that a
// fuzzer can change any of it, and often so that the result still has valid checksums.
//
//   input  =  mode (1 byte)  chunk*
//   chunk  =  file (1 byte)  fix (1 byte)  block (1 byte)  length (2 bytes, little endian)  bytes
//
// A chunk puts its bytes at that block of that file (of eight), which grows to the end of the
// block. `fix` bit 0: make the segment header's CRC right; bit 1: the batch's CRCs, if its length
// is credible; bit 2: cut the file behind this chunk's block. Any bytes mean something.
#ifndef COREWAL_TESTS_FUZZ_HOSTILE_LOG_H_
#define COREWAL_TESTS_FUZZ_HOSTILE_LOG_H_

#include <cstdint>
#include <map>
#include <string>

#include "tests/fuzz/targets.h"

namespace corewal {

struct HostileLog {
  static constexpr uint32_t kFiles = 8;
  static constexpr uint32_t kBlocksMax = 64;  // of a file

  uint8_t mode = 0;
  std::map<uint64_t, std::string> files;  // by sequence, from 1 on

  static HostileLog Parse(FuzzInput input);
  // Bytes from which Parse makes this again.
  std::string Encode() const;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_FUZZ_HOSTILE_LOG_H_
