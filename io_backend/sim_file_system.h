// io_backend/sim_file_system.h: the FileSystem of one simulated process on a SimDisk.
//
// It does what the host's does, durability included, and no more: names are durable when their
// directory was synced. Every call is one action at which a crash can strike; after a crash every
// call fails with EIO, and what is still open can only be closed.
// Thread: that of the SimDisk, which must outlive it. It must outlive its files and locks.
#ifndef COREWAL_IO_BACKEND_SIM_FILE_SYSTEM_H_
#define COREWAL_IO_BACKEND_SIM_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io_backend/file_system.h"
#include "io_backend/sim_disk.h"

namespace corewal {

class SimFileSystem final : public FileSystem, private SimDisk::Process {
 public:
  explicit SimFileSystem(SimDisk& disk);
  ~SimFileSystem() override;

  absl::StatusOr<OpenFile> Open(const std::string& path, const OpenOptions& options) override;
  absl::StatusOr<OpenFile> OpenDirectory(const std::string& path) override;
  absl::Status CreateDirectories(const std::string& path) override;
  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status Resize(const std::string& path, uint64_t size_bytes) override;
  absl::StatusOr<std::string> ReadSmallFile(const std::string& path, uint64_t bytes_max) override;
  absl::Status WriteSmallFile(const std::string& path, absl::string_view content) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override;
  std::string TypeName(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;

  SimDisk& disk() { return disk_; }
  bool crashed() const { return crashed_; }
  bool IsOpen(int fd) const;
  // How many descriptors this file has, of any process.
  uint32_t OpenCount(const std::string& path);

  // For SimStorageIo; `fd` is open and no crash has come.
  SimDisk::Inode& InodeOf(int fd);
  bool MayWrite(int fd) const;

 private:
  struct Descriptor {
    uint64_t inode = 0;  // 0: free
    bool may_write = false;
  };
  // Gives a lock back, if no crash has taken it.
  class SimLock;
  static constexpr int kFirstFd = 3;

  void OnCrash(SimCrash mode) override;
  void CloseFd(int fd) override;
  // At the beginning of every call; not OK after a crash.
  absl::Status Begin(absl::string_view call, const std::string& path);
  absl::StatusOr<SimDisk::Inode*> FindFile(absl::string_view call, const std::string& path);
  absl::StatusOr<SimDisk::Inode*> FindDirectory(absl::string_view call, const std::string& path);
  // Links a new, empty inode; its directory must exist and the name be free.
  absl::StatusOr<SimDisk::Inode*> CreateAt(const std::string& path, bool directory);
  OpenFile OpenInode(SimDisk::Inode& inode, const std::string& path, const OpenOptions& options);
  absl::Status SyncInode(SimDisk::Inode& inode, const std::string& path);

  SimDisk& disk_;
  std::vector<Descriptor> descriptors_;  // lowest number first, as the kernel gives them out
  uint64_t process_ = 0;                 // stands in for a pid
  bool crashed_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_FILE_SYSTEM_H_
