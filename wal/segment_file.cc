#include "wal/segment_file.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "wal/format.h"

namespace corewal {

absl::StatusOr<OpenFile> OpenSegmentFile(FileSystem& files, const std::string& path,
                                         OpenOptions::Access access, DirectMode direct) {
  ASSIGN_OR_RETURN(OpenFile file, files.Open(path, {.access = access, .direct = direct}));
  if (!file.facts().direct || file.facts().alignment <= kBlockBytes) return file;
  if (direct == DirectMode::kOn) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": O_DIRECT here needs an alignment of ", file.facts().alignment,
                     " bytes, more than a block of ", kBlockBytes, "; use direct=off"));
  }
  file.Close();
  if (access == OpenOptions::Access::kCreate) access = OpenOptions::Access::kReadWrite;
  return files.Open(path, {.access = access, .direct = DirectMode::kOff});
}

absl::Status RemoveSegmentFile(FileSystem& files, const std::string& directory,
                               const std::string& path) {
  const absl::Status removed = files.Remove(path);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  return files.SyncDirectory(directory);
}

}  // namespace corewal
