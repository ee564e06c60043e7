#include "io_backend/directory_names.h"

#include <algorithm>

namespace corewal {

absl::Status SyncNamesAbove(FileSystem& files, std::string path) {
  for (;;) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (path == "/" || path == ".") return absl::OkStatus();
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
    const absl::Status synced = files.SyncDirectory(path);
    if (!synced.ok() && !absl::IsPermissionDenied(synced)) return synced;
  }
}

}  // namespace corewal
