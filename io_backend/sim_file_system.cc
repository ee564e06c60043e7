#include "io_backend/sim_file_system.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : path.find_last_of('/', end);
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class SimFileSystem::SimLock final : public DirectoryLock {
 public:
  SimLock(SimFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  ~SimLock() override {
    if (!files_.crashed_) files_.disk_.SetLock(path_, 0);
  }

 private:
  SimFileSystem& files_;
  const std::string path_;
};

SimFileSystem::SimFileSystem(SimDisk& disk) : disk_(disk), process_(disk.NewStorage()) {
  disk_.Attach(this);
}

SimFileSystem::~SimFileSystem() {
  if (!crashed_) disk_.Detach(this);
}

void SimFileSystem::OnCrash(SimCrash) { crashed_ = true; }

absl::Status SimFileSystem::Begin(absl::string_view call, const std::string& path) {
  if (!crashed_) disk_.Step();
  if (crashed_) return ErrnoStatus(EIO, call, absl::StrCat(path, " (after a crash)"));
  disk_.Trace(absl::StrCat(call, " ", path));
  return absl::OkStatus();
}

absl::StatusOr<SimDisk::Inode*> SimFileSystem::FindFile(absl::string_view call,
                                                        const std::string& path) {
  SimDisk::Inode* const inode = disk_.Find(path);
  if (inode == nullptr) return ErrnoStatus(ENOENT, call, path);
  if (!inode->directory) return inode;
  return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
}

absl::StatusOr<SimDisk::Inode*> SimFileSystem::FindDirectory(absl::string_view call,
                                                             const std::string& path) {
  SimDisk::Inode* const inode = disk_.Find(path);
  if (inode == nullptr) return ErrnoStatus(ENOENT, call, path);
  if (inode->directory) return inode;
  return absl::FailedPreconditionError(absl::StrCat(path, " is not a directory"));
}

absl::StatusOr<SimDisk::Inode*> SimFileSystem::CreateAt(const std::string& path, bool directory) {
  RETURN_IF_ERROR(FindDirectory("open", ParentOf(path)).status());
  const SimNames::Place place = disk_.names().Find(path);
  if (place.inode != 0) return ErrnoStatus(EEXIST, "open", path);
  if (disk_.Strike(SimFault::kEnospc)) return ErrnoStatus(ENOSPC, "open", path);
  SimDisk::Inode& inode = disk_.Create(directory);
  disk_.names().Link(place.name, inode.number);
  return &inode;
}

OpenFile SimFileSystem::OpenInode(SimDisk::Inode& inode, const std::string& path,
                                  const OpenOptions& options) {
  size_t at = 0;
  while (at < descriptors_.size() && descriptors_[at].inode != 0) ++at;
  if (at == descriptors_.size()) descriptors_.emplace_back();
  descriptors_[at] = {inode.number, options.access != OpenOptions::Access::kRead};
  ++inode.open_count;
  OpenFile::Facts facts;
  facts.size_bytes = inode.file.live().size();
  facts.direct = options.direct != DirectMode::kOff;
  facts.alignment = facts.direct ? SimDisk::kBlockBytes : 1;
  return OpenFile(this, kFirstFd + static_cast<int>(at), path, facts);
}

absl::StatusOr<OpenFile> SimFileSystem::Open(const std::string& path, const OpenOptions& options) {
  RETURN_IF_ERROR(Begin("open", path));
  SimDisk::Inode* inode = nullptr;
  if (options.access == OpenOptions::Access::kCreate) {
    ASSIGN_OR_RETURN(inode, CreateAt(path, false));
  } else {
    ASSIGN_OR_RETURN(inode, FindFile("open", path));
  }
  return OpenInode(*inode, path, options);
}

absl::StatusOr<OpenFile> SimFileSystem::OpenDirectory(const std::string& path) {
  RETURN_IF_ERROR(Begin("open directory", path));
  ASSIGN_OR_RETURN(SimDisk::Inode* const inode, FindDirectory("open", path));
  return OpenInode(*inode, path, {});
}

absl::Status SimFileSystem::CreateDirectories(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("the directory's path is empty");
  std::string so_far;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    const std::string parent = so_far.empty() ? "/" : so_far;
    absl::StrAppend(&so_far, "/", part);
    RETURN_IF_ERROR(Begin("mkdir", so_far));
    if (disk_.Find(so_far) != nullptr) {
      RETURN_IF_ERROR(FindDirectory("mkdir", so_far).status());
      continue;
    }
    RETURN_IF_ERROR(CreateAt(so_far, true).status());
    RETURN_IF_ERROR(SyncDirectory(parent));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DirectoryEntry>> SimFileSystem::List(const std::string& path) {
  RETURN_IF_ERROR(Begin("list", path));
  ASSIGN_OR_RETURN(SimDisk::Inode* const directory, FindDirectory("opendir", path));
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, number] : disk_.names().List(directory->number)) {
    const SimDisk::Inode* const inode = disk_.Get(number);
    CHECK(inode != nullptr) << path << "/" << name;
    entries.push_back({name, inode->directory, inode->file.live().size()});
  }
  return entries;
}

absl::Status SimFileSystem::SyncInode(SimDisk::Inode& inode, const std::string& path) {
  const int error = disk_.Sync(inode, disk_.ScopeOfNow(0, 0));
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "fsync", path);
}

absl::Status SimFileSystem::SyncDirectory(const std::string& path) {
  RETURN_IF_ERROR(Begin("sync directory", path));
  ASSIGN_OR_RETURN(SimDisk::Inode* const directory, FindDirectory("open", path));
  return SyncInode(*directory, path);
}

absl::Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::string both = absl::StrCat(from, " to ", to);
  RETURN_IF_ERROR(Begin("rename", both));
  const SimNames::Place source = disk_.names().Find(from);
  const SimNames::Place target = disk_.names().Find(to);
  if (source.inode == 0) return ErrnoStatus(ENOENT, "rename", both);
  if (target.inode != 0) return ErrnoStatus(EEXIST, "rename", both);
  RETURN_IF_ERROR(FindDirectory("rename", ParentOf(to)).status());
  disk_.names().Rename(source.name, target.name, source.inode);
  return absl::OkStatus();
}

absl::Status SimFileSystem::Remove(const std::string& path) {
  RETURN_IF_ERROR(Begin("remove", path));
  RETURN_IF_ERROR(FindFile("unlink", path).status());
  disk_.names().Unlink(disk_.names().Find(path).name);
  disk_.DropUnreferenced();
  return absl::OkStatus();
}

absl::Status SimFileSystem::Resize(const std::string& path, uint64_t size_bytes) {
  RETURN_IF_ERROR(Begin("resize", absl::StrCat(path, " to ", size_bytes)));
  ASSIGN_OR_RETURN(SimDisk::Inode* const inode, FindFile("open", path));
  if (size_bytes > disk_.options().file_bytes_max) {
    return ErrnoStatus(EFBIG, "ftruncate", path, {.offset = size_bytes});
  }
  const uint64_t write_id = disk_.NewWrite();
  if (size_bytes != inode->file.live().size()) inode->file.SetSize(write_id, size_bytes);
  disk_.WriteCompleted(write_id, 0, 0);
  RETURN_IF_ERROR(SyncInode(*inode, path));
  disk_.ReleaseBeyond(*inode, size_bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SimFileSystem::ReadSmallFile(const std::string& path,
                                                         uint64_t bytes_max) {
  RETURN_IF_ERROR(Begin("read small file", path));
  ASSIGN_OR_RETURN(SimDisk::Inode* const inode, FindFile("open", path));
  if (disk_.Strike(SimFault::kReadEio)) return ErrnoStatus(EIO, "read", path);
  if (inode->file.live().size() <= bytes_max) return inode->file.live();
  return absl::FailedPreconditionError(
      absl::StrCat(path, " has more than the ", bytes_max, " bytes that it may have"));
}

// A crash can come between any two of its steps, as on the host.
absl::Status SimFileSystem::WriteSmallFile(const std::string& path, absl::string_view content) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  if (disk_.Find(temporary) != nullptr) RETURN_IF_ERROR(Remove(temporary));
  RETURN_IF_ERROR(Begin("write small file", temporary));
  ASSIGN_OR_RETURN(SimDisk::Inode* const inode, CreateAt(temporary, false));
  const uint64_t write_id = disk_.NewWrite();
  if (disk_.Strike(SimFault::kWriteEio)) return ErrnoStatus(EIO, "pwrite", temporary);
  if (disk_.Charge(*inode, 0, content.size()) < content.size()) {
    Remove(temporary).IgnoreError();
    return ErrnoStatus(ENOSPC, "pwrite", temporary, {.offset = 0, .length = content.size()});
  }
  inode->file.Write(write_id, 0, content);
  disk_.WriteCompleted(write_id, 0, 0);
  const uint64_t number = inode->number;
  RETURN_IF_ERROR(Begin("sync", temporary));
  RETURN_IF_ERROR(SyncInode(*inode, temporary));
  RETURN_IF_ERROR(Begin("rename over", path));
  disk_.names().Rename(disk_.names().Find(temporary).name, disk_.names().Find(path).name, number);
  disk_.DropUnreferenced();
  return SyncDirectory(ParentOf(path));
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> SimFileSystem::Lock(const std::string& path) {
  RETURN_IF_ERROR(Begin("lock", path));
  if (disk_.Find(path) == nullptr) RETURN_IF_ERROR(CreateAt(path, false).status());
  if (const uint64_t holder = disk_.LockHolder(path); holder != 0) {
    return absl::UnavailableError(absl::StrCat(path, " is locked by process ", holder,
                                               holder == process_ ? " (this one)" : ""));
  }
  disk_.SetLock(path, process_);
  return std::make_unique<SimLock>(*this, path);
}

std::string SimFileSystem::TypeName(const std::string&) { return "sim"; }

absl::StatusOr<uint64_t> SimFileSystem::FreeBytes(const std::string& path) {
  RETURN_IF_ERROR(Begin("statvfs", path));
  return disk_.free_bytes();
}

void SimFileSystem::CloseFd(int fd) {
  CHECK(IsOpen(fd)) << "descriptor " << fd;
  Descriptor& descriptor = descriptors_[static_cast<size_t>(fd - kFirstFd)];
  const uint64_t number = std::exchange(descriptor, {}).inode;
  if (crashed_) return;  // the crash has closed it
  --disk_.Get(number)->open_count;
  disk_.DropUnreferenced();
}

bool SimFileSystem::IsOpen(int fd) const {
  const size_t at = static_cast<size_t>(fd - kFirstFd);
  return fd >= kFirstFd && at < descriptors_.size() && descriptors_[at].inode != 0;
}

uint32_t SimFileSystem::OpenCount(const std::string& path) {
  const SimDisk::Inode* const inode = disk_.Find(path);
  return inode == nullptr ? 0 : inode->open_count;
}

SimDisk::Inode& SimFileSystem::InodeOf(int fd) {
  CHECK(IsOpen(fd)) << "descriptor " << fd;
  return *disk_.Get(descriptors_[static_cast<size_t>(fd - kFirstFd)].inode);
}

bool SimFileSystem::MayWrite(int fd) const {
  CHECK(IsOpen(fd)) << "descriptor " << fd;
  return descriptors_[static_cast<size_t>(fd - kFirstFd)].may_write;
}

}  // namespace corewal
