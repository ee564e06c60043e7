// examples/file_copy/copy_job.h: what is copied, and what one copy came to.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_JOB_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_JOB_H_

#include <cstdint>
#include <vector>

#include "examples/file_copy/data_extents.h"
#include "io_backend/file_system.h"

namespace corewal {

struct CopyJob {
  uint64_t size_bytes = 0;          // of the source
  std::vector<DataExtent> extents;  // of the source
  uint32_t block_bytes = 1u << 20;  // per read and write; a multiple of kExtentBytes
  uint32_t in_flight = 8;           // blocks at once, where a way can
};

// Of a file opened with `file`, the part of a block that must be written, its zeros included:
// O_DIRECT takes no piece of a block. The copy is cut to its size afterwards.
inline uint32_t BytesToWrite(const OpenFile::Facts& file, uint32_t bytes) {
  return (bytes + file.alignment - 1) / file.alignment * file.alignment;
}

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_JOB_H_
