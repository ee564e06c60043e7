// io_backend/direct_io.h: does O_DIRECT really work on this open file, and with what alignment?
//
// That open(2) accepts the flag proves nothing: tmpfs and some FUSE file systems accept it and go
// through the page cache. The kernel is asked (statx STATX_DIOALIGN, Linux 6.1); where it does not
// say, an aligned transfer is tried.
#ifndef COREWAL_IO_BACKEND_DIRECT_IO_H_
#define COREWAL_IO_BACKEND_DIRECT_IO_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace corewal {

// Alignment in bytes of offsets, lengths and memory, for `fd`, opened with O_DIRECT.
// `may_write`: the file is new and empty, so that a block may be written and cut off again.
// FailedPrecondition: O_DIRECT has no effect or fails here; the message says how that shows.
absl::StatusOr<uint32_t> ProbeDirectIo(int fd, bool may_write);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_DIRECT_IO_H_
