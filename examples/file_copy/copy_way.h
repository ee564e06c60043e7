// examples/file_copy/copy_way.h: the ways to copy a file that are compared.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_WAY_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_WAY_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "io_backend/file_system.h"

namespace corewal {

enum class CopyEngine : uint8_t {
  kReadWrite,      // pread and pwrite, one buffer, one call after the other
  kCopyFileRange,  // the kernel's own; the bytes never come to the process
  kRing,           // StorageIo on io_uring, several buffers in flight
};

struct CopyWay {
  absl::string_view name;
  CopyEngine engine = CopyEngine::kReadWrite;
  DirectMode direct = DirectMode::kOff;
  bool registered_buffers = false;  // kRing: READ_FIXED and WRITE_FIXED on the same buffers
};

// All of them, in the order of the table.
absl::Span<const CopyWay> AllCopyWays();
// Null: no way has this name.
const CopyWay* FindCopyWay(absl::string_view name);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_WAY_H_
