// examples/file_copy/plain_copy.h: copies with plain system calls, for comparison.
#ifndef COREWAL_EXAMPLES_FILE_COPY_PLAIN_COPY_H_
#define COREWAL_EXAMPLES_FILE_COPY_PLAIN_COPY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/file_copy/copy_job.h"
#include "io_backend/file_system.h"

namespace corewal {

// Both return the number of system calls made. The copy may be up to a block longer than the
// source. FailedPrecondition: the source became shorter meanwhile. Else: as the calls fail.

// pread, pwrite, one buffer.
absl::StatusOr<uint64_t> CopyByReadWrite(const CopyJob& job, const OpenFile& source,
                                         const OpenFile& copy);
// copy_file_range(2). FailedPrecondition too: it does not work between these two files.
absl::StatusOr<uint64_t> CopyByCopyFileRange(const CopyJob& job, const OpenFile& source,
                                             const OpenFile& copy);

absl::Status SourceBecameShorter(const std::string& path);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_PLAIN_COPY_H_
