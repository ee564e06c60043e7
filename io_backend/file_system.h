// io_backend/file_system.h: what the log asks of directories and of whole files.
//
// Everything here is blocking and off the append path; the bytes of segments go through StorageIo.
// The posix implementation serves both real backends; the simulator brings its own, so that lost
// directory entries and a full disk can be simulated.
//
// Durability: a created, renamed or removed name is durable only after SyncDirectory of its parent.
// Thread: any, one call at a time per object.
#ifndef COREWAL_IO_BACKEND_FILE_SYSTEM_H_
#define COREWAL_IO_BACKEND_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corewal {

class FileSystem;

// An open file, move-only, closed when destroyed.
class OpenFile {
 public:
  struct Facts {
    uint64_t size_bytes = 0;  // when it was opened
    bool direct = false;      // O_DIRECT is in effect
    uint32_t alignment = 1;   // of offsets, lengths and memory, in bytes; 1 unless direct
  };
  OpenFile() = default;
  OpenFile(FileSystem* owner, int fd, std::string path, Facts facts)
      : owner_(owner), fd_(fd), path_(std::move(path)), facts_(facts) {}
  OpenFile(OpenFile&& other) noexcept { *this = std::move(other); }
  OpenFile& operator=(OpenFile&& other) noexcept;
  ~OpenFile() { Close(); }

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  const Facts& facts() const { return facts_; }
  void Close();

 private:
  FileSystem* owner_ = nullptr;
  int fd_ = -1;
  std::string path_;
  Facts facts_;
};

enum class DirectMode : uint8_t { kAuto, kOn, kOff };  // kAuto: O_DIRECT where it works

struct OpenOptions {
  enum class Access : uint8_t { kRead, kReadWrite, kCreate /* must not exist; mode 0600 */ };
  Access access = Access::kRead;
  DirectMode direct = DirectMode::kOff;
};

// Holds an exclusive lock for as long as it lives.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size_bytes = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Files are opened O_CLOEXEC | O_NOFOLLOW. NotFound, PermissionDenied, AlreadyExists (kCreate),
  // FailedPrecondition (a symlink or not a regular file; direct kOn where O_DIRECT is refused).
  virtual absl::StatusOr<OpenFile> Open(const std::string& path, const OpenOptions& options) = 0;
  // Opens a directory for StorageIo's Sync(kFull).
  virtual absl::StatusOr<OpenFile> OpenDirectory(const std::string& path) = 0;

  // Creates the directory and its missing parents, mode 0700 for the last; each new entry is
  // synced in its parent. OK if it exists. FailedPrecondition: something else has the name.
  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  // Entries in no particular order, without "." and "..". FailedPrecondition: not a directory.
  virtual absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) = 0;
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  // `to` must not exist (AlreadyExists): a rename never destroys a file here.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Cuts or extends to `size_bytes` and syncs the file.
  virtual absl::Status Resize(const std::string& path, uint64_t size_bytes) = 0;

  // Whole small files (metadata). Write goes to a temporary name, is synced, renamed over `path`
  // and the directory synced: after a crash the old or the new content is there, whole.
  virtual absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                                    uint64_t bytes_max) = 0;
  virtual absl::Status WriteSmallFile(const std::string& path, absl::string_view content) = 0;

  // Locks `path` (a file, created if missing) against other processes and other callers in this
  // one. Unavailable: held, naming the holder's pid.
  virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) = 0;

  // "ext4", "xfs", "tmpfs", ...; the magic number in hex for one that we have no name for.
  virtual std::string TypeName(const std::string& path) = 0;
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;

  // The host's file system. Never destroyed. Any thread.
  static FileSystem& Host();

 protected:
  friend class OpenFile;
  virtual void CloseFd(int fd) = 0;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_FILE_SYSTEM_H_
