// wal/segment_file.h: opens a segment file the way that its bytes must be written and read, and
// removes one.
#ifndef COREWAL_WAL_SEGMENT_FILE_H_
#define COREWAL_WAL_SEGMENT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"

namespace corewal {

// O_DIRECT as asked, unless the device wants an alignment coarser than our blocks: then kAuto falls
// back to buffered I/O, and kOn is FailedPrecondition.
absl::StatusOr<OpenFile> OpenSegmentFile(FileSystem& files, const std::string& path,
                                         OpenOptions::Access access, DirectMode direct);

// Removes the file and makes that durable. OK if it is gone already.
absl::Status RemoveSegmentFile(FileSystem& files, const std::string& directory,
                               const std::string& path);

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_FILE_H_
