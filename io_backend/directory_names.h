// io_backend/directory_names.h: makes the names on the way to a directory durable.
#ifndef COREWAL_IO_BACKEND_DIRECTORY_NAMES_H_
#define COREWAL_IO_BACKEND_DIRECTORY_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "io_backend/file_system.h"

namespace corewal {

// Syncs every directory above `path`. FileSystem::CreateDirectories does so for the names that it
// makes; this is for those that a process before made, which died and may not have synced them.
// What this user may not open was not made by this user, and is passed over. Other errors: as
// FileSystem::SyncDirectory.
absl::Status SyncNamesAbove(FileSystem& files, std::string path);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_DIRECTORY_NAMES_H_
