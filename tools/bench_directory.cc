#include "tools/bench_directory.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "io_backend/file_system.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

bool IsShard(const DirectoryEntry& entry) {
  return entry.is_directory && ParseShardDirectoryName(entry.name).has_value();
}
bool IsLogFile(const DirectoryEntry& entry) {
  // The temporary ones are left by a process that was killed at the wrong moment.
  const absl::string_view kNames[] = {kLogMetaFileName, kLockFileName, "corewal.tmp",
                                      "sync-probe.tmp", ".wal-bench-floor"};
  return !entry.is_directory &&
         std::find(std::begin(kNames), std::end(kNames), entry.name) != std::end(kNames);
}

absl::Status RemoveEmptyDirectory(const std::string& path) {
  if (rmdir(path.c_str()) == 0) return absl::OkStatus();
  if (errno == ENOTEMPTY || errno == EEXIST) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": kept, since it holds files that belong to no log"));
  }
  return ErrnoStatus(errno, "rmdir", path);
}

absl::Status RemoveShard(const std::string& path) {
  FileSystem& files = FileSystem::Host();
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(path));
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory || !ParseSegmentFileName(entry.name).has_value()) continue;
    RETURN_IF_ERROR(files.Remove(absl::StrCat(path, "/", entry.name)));
  }
  return RemoveEmptyDirectory(path);
}

}  // namespace

absl::StatusOr<BenchDirectory> BenchDirectory::Claim(const std::string& path, Expect expect) {
  FileSystem& files = FileSystem::Host();
  absl::StatusOr<std::vector<DirectoryEntry>> entries = files.List(path);
  if (absl::IsNotFound(entries.status())) {
    const absl::Status made = files.CreateDirectories(path);
    if (!made.ok()) {
      return absl::Status(made.code(),
                          absl::StrCat(made.message(), "; name another directory with --dir"));
    }
    return BenchDirectory(path, true);
  }
  RETURN_IF_ERROR(entries.status());
  bool holds_log = false;
  for (const DirectoryEntry& entry : *entries) {
    if (!IsShard(entry) && !IsLogFile(entry)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is not empty and not just a log (\"", entry.name,
                       "\" is in it); name a new or empty directory with --dir"));
    }
    holds_log = holds_log || IsShard(entry);
  }
  if (holds_log && expect == Expect::kNew) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " holds a log already: go on in it with --resume, name another "
                     "directory with --dir, or remove it"));
  }
  return BenchDirectory(path, false);
}

absl::Status BenchDirectory::Remove() const {
  FileSystem& files = FileSystem::Host();
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(path_));
  for (const DirectoryEntry& entry : entries) {
    const std::string entry_path = absl::StrCat(path_, "/", entry.name);
    if (IsShard(entry)) {
      RETURN_IF_ERROR(RemoveShard(entry_path));
    } else if (IsLogFile(entry)) {
      RETURN_IF_ERROR(files.Remove(entry_path));
    }
  }
  return created_ ? RemoveEmptyDirectory(path_) : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListLogFiles(const std::string& directory) {
  FileSystem& files = FileSystem::Host();
  std::vector<std::string> paths;
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(directory));
  for (const DirectoryEntry& entry : entries) {
    if (!IsShard(entry)) continue;
    const std::string shard = absl::StrCat(directory, "/", entry.name);
    ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> segments, files.List(shard));
    for (const DirectoryEntry& segment : segments) {
      if (!ParseSegmentFileName(segment.name).has_value()) continue;
      paths.push_back(absl::StrCat(shard, "/", segment.name));
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace corewal
