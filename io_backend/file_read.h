// io_backend/file_read.h: reads any range of a registered file, aligned or not, and waits for it.
//
//   ASSIGN_OR_RETURN(std::string bytes, ReadCopy(io, {file, FileOffset(100), 5000}));
//   ASSIGN_OR_RETURN(SharedBytes bytes, ReadShared(io, {file, FileOffset(100), 5000}));
//
// Whole blocks are read, whatever the range, so that O_DIRECT files are no different. Less comes
// than was asked for only where the file ends, be it inside a block. Who reads while other
// operations are in flight uses StorageIo::ReadAny, and SharedBytes for what the completion brings.
// Thread: that of the StorageIo.
#ifndef COREWAL_IO_BACKEND_FILE_READ_H_
#define COREWAL_IO_BACKEND_FILE_READ_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "io_backend/shared_bytes.h"
#include "io_backend/storage_io.h"

namespace corewal {

struct FileRange {
  FileHandle file = {};
  FileOffset offset = {};  // bytes
  uint64_t length = 0;     // bytes
};

// The bytes, owned by the caller; several buffers are in flight at once. Takes the memory for
// `length`: the caller bounds it. FailedPrecondition: operations are in flight, whose completions
// it would have to swallow. ResourceExhausted: not one buffer is free. InvalidArgument: stale
// handle, range beyond 2^63 - 1. Else the device's error, by place.
absl::StatusOr<std::string> ReadCopy(StorageIo& io, const FileRange& range);

// The bytes where the device put them: no copy, one buffer less until the last of its SharedBytes
// is gone. InvalidArgument also if the blocks of the range are more than a buffer holds.
absl::StatusOr<SharedBytes> ReadShared(StorageIo& io, const FileRange& range);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_FILE_READ_H_
