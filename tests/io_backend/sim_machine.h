// tests/io_backend/sim_machine.h: a simulated disk with one process on it at a time, and the few
// steps that every test of it takes.
#ifndef COREWAL_TESTS_IO_BACKEND_SIM_MACHINE_H_
#define COREWAL_TESTS_IO_BACKEND_SIM_MACHINE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"

namespace corewal {

inline constexpr uint32_t kBlock = 4096;
inline constexpr uint64_t kSector = SimFile::kSectorBytes;
inline constexpr uint64_t kSeeds = 60;  // enough for both outcomes of whatever is left to chance
inline const StorageIoOptions kIoOptions = {
    .queue_depth = 64, .buffers = 32, .buffer_bytes = 16 << 10};

// A disk with the directory /d, and one process on it at a time.
class Machine {
 public:
  explicit Machine(uint64_t seed, const SimDiskOptions& options = {}) : disk_(seed, options) {
    Boot();
    EXPECT_TRUE(files_->CreateDirectories("/d").ok());
  }
  ~Machine() { Halt(); }

  SimDisk& disk() { return disk_; }
  SimFileSystem& files() { return *files_; }
  StorageIo& io() { return *io_; }

  void Halt() {
    io_.reset();
    files_.reset();
  }
  void Boot() {
    Halt();
    files_ = std::make_unique<SimFileSystem>(disk_);
    auto io = SimStorageIo::Create(*files_, kIoOptions);
    EXPECT_TRUE(io.ok()) << io.status();
    io_ = *std::move(io);
  }
  void Crash(SimCrash mode = SimCrash::kPowerLoss) {
    disk_.Crash(mode);
    Boot();
  }

  FileHandle Register(OpenFile file) {
    auto handle = io_->RegisterFile(file);
    EXPECT_TRUE(handle.ok()) << handle.status();
    return *handle;
  }
  FileHandle Create(const std::string& path) {
    auto file = files_->Open(path, {.access = OpenOptions::Access::kCreate});
    EXPECT_TRUE(file.ok()) << file.status();
    return Register(*std::move(file));
  }
  // With `blocks` durable blocks of zeros.
  FileHandle CreateDurable(const std::string& path, uint64_t blocks) {
    const FileHandle file = Create(path);
    EXPECT_TRUE(files_->SyncDirectory("/d").ok());
    for (uint64_t i = 0; i < blocks; ++i) {
      Stage(file, i * kBlock, '\0', WriteMode::kDsync);
      EXPECT_EQ(One().error, 0);
    }
    return file;
  }

  void Stage(FileHandle file, uint64_t offset, char fill, WriteMode mode = WriteMode::kPlain,
             uint32_t length = kBlock) {
    auto lease = io_->AcquireBuffer();
    ASSERT_TRUE(lease.ok()) << lease.status();
    std::fill_n(lease->data(), length, static_cast<std::byte>(fill));
    const WriteOp op = {
        .file = file, .offset = FileOffset(offset), .length = length, .mode = mode, .tag = offset};
    ASSERT_TRUE(io_->Write(op, *std::move(lease)).ok());
  }
  void StageSync(FileHandle file, SyncMode mode = SyncMode::kDatasync) {
    ASSERT_TRUE(io_->Sync({.file = file, .mode = mode, .tag = UINT64_MAX}).ok());
  }
  Completion One() {
    EXPECT_TRUE(io_->Wait(1, kNever).ok());
    Completion one[1];
    EXPECT_EQ(io_->Poll(absl::MakeSpan(one)), 1u);
    return std::move(one[0]);
  }
  // Writes, waits, polls.
  int Write(FileHandle file, uint64_t offset, char fill, WriteMode mode = WriteMode::kPlain) {
    Stage(file, offset, fill, mode);
    return One().error;
  }
  int Sync(FileHandle file, SyncMode mode = SyncMode::kDatasync) {
    StageSync(file, mode);
    return One().error;
  }
  std::string Content(const std::string& path) {
    auto content = files_->ReadSmallFile(path, UINT32_MAX);
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? *std::move(content) : std::string();
  }
  std::vector<std::string> Names() {
    auto entries = files_->List("/d");
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<std::string> names;
    for (const DirectoryEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

 private:
  SimDisk disk_;
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<StorageIo> io_;
};

inline std::string Blocks(const std::string& fills) {
  std::string content;
  for (const char fill : fills) content.append(kBlock, fill);
  return content;
}

}  // namespace corewal

#endif  // COREWAL_TESTS_IO_BACKEND_SIM_MACHINE_H_
