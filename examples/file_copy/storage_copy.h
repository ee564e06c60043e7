// examples/file_copy/storage_copy.h: copies a file through StorageIo; the bytes stay where they
// are.
//
//   for each block:   Read into a buffer -> its completion -> Write from the same buffer
//                     -> its completion -> the buffer reads the next block
//
// A buffer goes from the read's completion into the write and back: nobody copies it, and if the
// buffers are registered the kernel neither looks up nor pins a page for either. With O_DIRECT the
// device reads and writes that memory itself; else the kernel copies to and from the page cache.
#ifndef COREWAL_EXAMPLES_FILE_COPY_STORAGE_COPY_H_
#define COREWAL_EXAMPLES_FILE_COPY_STORAGE_COPY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "examples/file_copy/copy_job.h"
#include "io_backend/file_system.h"

namespace corewal {

// Takes both files over. Returns the number of system calls made. The copy may be up to a block
// longer than the source. FailedPrecondition: no ring, no registered buffers (with the reason and
// the remedy), or the source became shorter meanwhile. Else: as the operations fail.
absl::StatusOr<uint64_t> CopyByStorage(const CopyJob& job, OpenFile source, OpenFile copy,
                                       bool registered_buffers);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_STORAGE_COPY_H_
