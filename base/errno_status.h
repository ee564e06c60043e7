// base/errno_status.h: an errno value as a Status that names the call, the place and the cause.
//
//   ErrnoStatus(ENOSPC, "pwrite", "shard-000/0000000000000003.wal", {.offset = 8192, .length =
//   4096})
//   -> RESOURCE_EXHAUSTED: pwrite shard-000/0000000000000003.wal, 4096 bytes at offset 8192:
//      No space left on device (ENOSPC)
#ifndef COREWAL_BASE_ERRNO_STATUS_H_
#define COREWAL_BASE_ERRNO_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace corewal {

struct IoPlace {
  std::optional<uint64_t> offset = std::nullopt;  // bytes from the start of the file
  std::optional<uint64_t> length = std::nullopt;  // bytes
};

// `error` is a positive errno value. The code follows absl::ErrnoToStatusCode, except that EIO is
// kDataLoss's neighbour kInternal: what the device answered, not yet what was lost.
absl::Status ErrnoStatus(int error, absl::string_view call, absl::string_view path,
                         const IoPlace& place = {});

// "ENOSPC" for ENOSPC; "errno 4711" for a value without a name.
std::string ErrnoName(int error);

}  // namespace corewal

#endif  // COREWAL_BASE_ERRNO_STATUS_H_
