// The host's file system, by plain system calls.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "io_backend/direct_io.h"
#include "io_backend/file_size_signal.h"
#include "io_backend/file_system.h"

namespace corewal {
namespace {

// Names for statfs(2) f_type; ext2, ext3 and ext4 share one, and ext4 serves all three today.
constexpr struct {
  long magic;
  const char* name;
} kTypeNames[] = {
    {EXT4_SUPER_MAGIC, "ext4"},
    {XFS_SUPER_MAGIC, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {TMPFS_MAGIC, "tmpfs"},
    {RAMFS_MAGIC, "ramfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
    {F2FS_SUPER_MAGIC, "f2fs"},
    {NFS_SUPER_MAGIC, "nfs"},
    {FUSE_SUPER_MAGIC, "fuse"},
    {0x2fc12fc1, "zfs"},
    {static_cast<long>(0xca451a4e), "bcachefs"},
    {V9FS_MAGIC, "9p"},
};

std::string ParentOf(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  const size_t slash = path.find_last_of('/', end);
  if (slash == std::string::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

template <typename Call>
auto RetryOnEintr(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  uint64_t done = 0;
  while (done < content.size()) {
    const ssize_t n = RetryOnEintr(
        [&] { return pwrite(fd, content.data() + done, content.size() - done, done); });
    if (n <= 0) {
      return ErrnoStatus(n == 0 ? EIO : errno, "pwrite", path,
                         {.offset = done, .length = content.size() - done});
    }
    done += n;
  }
  return absl::OkStatus();
}

class UniqueFd {
 public:
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Two open file descriptions of one lock file exclude each other, in one process or in two, so
// that OFD locks serve both. A forked child shares its parent's, which ends when both are gone.
class OfdLock final : public DirectoryLock {
 public:
  explicit OfdLock(UniqueFd file) : file_(std::move(file)) {}

 private:
  UniqueFd file_;
};

class HostFileSystem final : public FileSystem {
 public:
  absl::StatusOr<OpenFile> Open(const std::string& path, const OpenOptions& options) override {
    const bool create = options.access == OpenOptions::Access::kCreate;
    int flags = options.access == OpenOptions::Access::kRead ? O_RDONLY : O_RDWR;
    if (create) flags |= O_CREAT | O_EXCL;
    OpenFile::Facts facts;
    ASSIGN_OR_RETURN(UniqueFd fd, OpenRegular(path, flags, &facts));
    if (options.direct != DirectMode::kOff) {
      const absl::Status direct = EnableDirectIo(fd.get(), path, create, &facts);
      if (!direct.ok() && options.direct == DirectMode::kOn) {
        if (create) unlink(path.c_str());
        return direct;
      }
    }
    return OpenFile(this, fd.Release(), path, facts);
  }

  absl::StatusOr<OpenFile> OpenDirectory(const std::string& path) override {
    const int fd =
        RetryOnEintr([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return DirectoryError("open", path);
    return OpenFile(this, fd, path, {});
  }

  absl::Status CreateDirectories(const std::string& path) override {
    if (path.empty()) return absl::InvalidArgumentError("the directory's path is empty");
    return CreateDirectory(path, 0700);
  }

  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override {
    DIR* dir = opendir(path.c_str());
    if (dir == nullptr) return DirectoryError("opendir", path);
    std::vector<DirectoryEntry> entries;
    int error = 0;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir);
      if (entry == nullptr) {
        error = errno;
        break;
      }
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat facts;
      // A name that went away meanwhile is no longer an entry.
      if (fstatat(dirfd(dir), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
      entries.push_back({.name = std::string(name),
                         .is_directory = S_ISDIR(facts.st_mode),
                         .size_bytes = static_cast<uint64_t>(facts.st_size)});
    }
    closedir(dir);
    if (error != 0) return ErrnoStatus(error, "readdir", path);
    return entries;
  }

  absl::Status SyncDirectory(const std::string& path) override {
    ASSIGN_OR_RETURN(OpenFile directory, OpenDirectory(path));
    // Not retried, whatever the error: a second fsync may succeed without having synced.
    if (fsync(directory.fd()) != 0) return ErrnoStatus(errno, "fsync", path);
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return absl::OkStatus();
    }
    // Not every file system has NOREPLACE; a hard link never replaces either.
    if (errno == EINVAL || errno == ENOSYS) {
      if (link(from.c_str(), to.c_str()) == 0) return Remove(from);
    }
    return ErrnoStatus(errno, "rename", absl::StrCat(from, " to ", to));
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return ErrnoStatus(errno, "unlink", path);
    return absl::OkStatus();
  }

  absl::Status Resize(const std::string& path, uint64_t size_bytes) override {
    if (size_bytes > INT64_MAX) return ErrnoStatus(EFBIG, "ftruncate", path);
    ASSIGN_OR_RETURN(UniqueFd file, OpenRegular(path, O_RDWR));
    const FileSizeSignalBlock no_signal;
    if (RetryOnEintr([&] { return ftruncate(file.get(), size_bytes); }) != 0) {
      return ErrnoStatus(errno, "ftruncate", path, {.offset = size_bytes});
    }
    if (fsync(file.get()) != 0) return ErrnoStatus(errno, "fsync", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadSmallFile(const std::string& path, uint64_t bytes_max) override {
    ASSIGN_OR_RETURN(UniqueFd file, OpenRegular(path, O_RDONLY));
    std::string content;
    char chunk[4096];
    while (true) {
      const ssize_t n = RetryOnEintr([&] { return read(file.get(), chunk, sizeof(chunk)); });
      if (n < 0) return ErrnoStatus(errno, "read", path, {.offset = content.size()});
      if (n == 0) return content;
      content.append(chunk, n);
      if (content.size() > bytes_max) {
        return absl::FailedPreconditionError(
            absl::StrCat(path, " has more than the ", bytes_max, " bytes that it may have"));
      }
    }
  }

  absl::Status WriteSmallFile(const std::string& path, absl::string_view content) override {
    const std::string temporary = absl::StrCat(path, ".tmp");
    absl::Status written = WriteTemporary(temporary, content);
    if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
      written = ErrnoStatus(errno, "rename", absl::StrCat(temporary, " to ", path));
    }
    if (!written.ok()) {
      unlink(temporary.c_str());
      return written;
    }
    return SyncDirectory(ParentOf(path));
  }

  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override {
    ASSIGN_OR_RETURN(UniqueFd file, OpenRegular(path, O_RDWR | O_CREAT));
    struct flock range = {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    if (fcntl(file.get(), F_OFD_SETLK, &range) != 0) {
      if (errno == EAGAIN || errno == EACCES) return LockedByOther(file.get(), path);
      return ErrnoStatus(errno, "fcntl(F_OFD_SETLK)", path);
    }
    // The lock stands without the pid too, so that a full disk does not forbid opening.
    const FileSizeSignalBlock no_signal;
    (void)WriteAll(file.get(), absl::StrFormat("%-20d\n", getpid()), path);
    return std::make_unique<OfdLock>(std::move(file));
  }

  std::string TypeName(const std::string& path) override {
    struct statfs facts;
    std::string existing = path;
    while (statfs(existing.c_str(), &facts) != 0) {
      const std::string parent = ParentOf(existing);
      if (errno != ENOENT || parent == existing) return "unknown";
      existing = parent;
    }
    for (const auto& type : kTypeNames) {
      if (facts.f_type == type.magic) return type.name;
    }
    return absl::StrFormat("0x%x", static_cast<uint64_t>(facts.f_type));
  }

  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs facts;
    if (statvfs(path.c_str(), &facts) != 0) return ErrnoStatus(errno, "statvfs", path);
    return static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
  }

 private:
  // close(2) is not retried on EINTR: Linux has closed the descriptor by then.
  void CloseFd(int fd) override { close(fd); }

  static absl::Status DirectoryError(absl::string_view call, const std::string& path) {
    if (errno == ENOTDIR) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not a directory"));
    }
    return ErrnoStatus(errno, call, path);
  }

  static absl::StatusOr<UniqueFd> OpenRegular(const std::string& path, int flags,
                                              OpenFile::Facts* known = nullptr) {
    // O_NONBLOCK keeps a FIFO under this name from holding us up.
    UniqueFd fd(RetryOnEintr([&] {
      return open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    }));
    if (fd.get() < 0) {
      if (errno == ELOOP) {
        return absl::FailedPreconditionError(
            absl::StrCat("open ", path, ": a symbolic link, which is not followed (ELOOP)"));
      }
      if (errno == EISDIR || errno == ENXIO) return NotRegular(path);
      return ErrnoStatus(errno, "open", path);
    }
    struct stat facts;
    if (fstat(fd.get(), &facts) != 0) return ErrnoStatus(errno, "fstat", path);
    if (!S_ISREG(facts.st_mode)) return NotRegular(path);
    // The umask may have taken the owner's own rights, and nobody could open it again.
    if ((flags & O_CREAT) != 0 && (facts.st_mode & 0600) != 0600 && facts.st_uid == geteuid() &&
        fchmod(fd.get(), 0600) != 0) {
      return ErrnoStatus(errno, "fchmod", path);
    }
    // Left on, O_NONBLOCK would make io_uring give up instead of waiting.
    if (fcntl(fd.get(), F_SETFL, 0) != 0) return ErrnoStatus(errno, "fcntl(F_SETFL)", path);
    if (known != nullptr) known->size_bytes = static_cast<uint64_t>(facts.st_size);
    return fd;
  }

  // On error the file is as it was: buffered.
  static absl::Status EnableDirectIo(int fd, const std::string& path, bool created,
                                     OpenFile::Facts* facts) {
    if (fcntl(fd, F_SETFL, O_DIRECT) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": O_DIRECT is refused here (", ErrnoName(errno), ")"));
    }
    const absl::StatusOr<uint32_t> alignment = ProbeDirectIo(fd, created);
    if (!alignment.ok()) {
      if (fcntl(fd, F_SETFL, 0) != 0) return ErrnoStatus(errno, "fcntl(F_SETFL)", path);
      return absl::FailedPreconditionError(absl::StrCat(path, ": ", alignment.status().message()));
    }
    facts->direct = true;
    facts->alignment = *alignment;
    return absl::OkStatus();
  }

  static absl::Status NotRegular(const std::string& path) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }

  absl::Status CreateDirectory(const std::string& path, mode_t mode) {
    if (mkdir(path.c_str(), mode) == 0) return SyncDirectory(ParentOf(path));
    const int error = errno;
    const std::string parent = ParentOf(path);
    // A parent that is there and says ENOENT all the same (/proc) never gives in.
    if (error == ENOENT && parent != path && access(parent.c_str(), F_OK) != 0) {
      RETURN_IF_ERROR(CreateDirectory(parent, 0777));
      return CreateDirectory(path, mode);
    }
    struct stat facts;
    if (error == EEXIST && stat(path.c_str(), &facts) == 0) {
      if (S_ISDIR(facts.st_mode)) return absl::OkStatus();
      return absl::FailedPreconditionError(absl::StrCat(path, " exists and is not a directory"));
    }
    if (error == ENOTDIR) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": something on the way to it is not a directory"));
    }
    return ErrnoStatus(error, "mkdir", path);
  }

  absl::Status WriteTemporary(const std::string& temporary, absl::string_view content) {
    ASSIGN_OR_RETURN(UniqueFd file, OpenRegular(temporary, O_RDWR | O_CREAT | O_TRUNC));
    const FileSizeSignalBlock no_signal;
    RETURN_IF_ERROR(WriteAll(file.get(), content, temporary));
    if (fsync(file.get()) != 0) return ErrnoStatus(errno, "fsync", temporary);
    return absl::OkStatus();
  }

  static absl::Status LockedByOther(int fd, const std::string& path) {
    char text[32] = {};
    int pid = 0;
    const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0 || !absl::SimpleAtoi(text, &pid)) {
      return absl::UnavailableError(
          absl::StrCat(path, " is locked by another process (pid not known)"));
    }
    return absl::UnavailableError(
        absl::StrCat(path, " is locked by process ", pid, pid == getpid() ? " (this one)" : ""));
  }
};

}  // namespace

FileSystem& FileSystem::Host() {
  static HostFileSystem* const host = new HostFileSystem;
  return *host;
}

}  // namespace corewal
