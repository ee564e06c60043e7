// tests/io_backend/storage_io_fixture.h: one StorageIo of a parameterised setting in a directory of
// its own, and the few steps that every contract test takes.
#ifndef COREWAL_TESTS_IO_BACKEND_STORAGE_IO_FIXTURE_H_
#define COREWAL_TESTS_IO_BACKEND_STORAGE_IO_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "io_backend/file_system.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/storage_io.h"
#include "io_backend/storage_io_factory.h"
#include "io_backend/uring_storage_io.h"

#define ASSERT_OK(expression) ASSERT_TRUE(::corewal::IsOk(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::corewal::IsOk(expression))

namespace corewal {

constexpr uint32_t kBlock = 4096;

inline testing::AssertionResult IsOk(const absl::Status& status) {
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status;
}

// A backend with what it is told to use.
struct StorageIoSetting {
  std::string name;  // letters, digits and underscores
  StorageIoOptions options;
  DirectMode direct = DirectMode::kOff;
  UringTuning tuning = {};  // for backend kUring
  bool sim = false;         // on a simulated disk, without faults
  bool uring() const { return options.backend == IoBackend::kUring; }
};

inline void PrintTo(const StorageIoSetting& setting, std::ostream* os) { *os << setting.name; }
// Those on the host's files; and with them the simulated ones, which share the contract but not the
// host's limits and failures.
std::vector<StorageIoSetting> AllSettings();
std::vector<StorageIoSetting> AllAndSimSettings();
std::string SettingName(const testing::TestParamInfo<StorageIoSetting>& info);

class StorageIoTest : public testing::TestWithParam<StorageIoSetting> {
 protected:
  // Skips, with the reason, where the setting cannot be had.
  void SetUp() override;
  void TearDown() override;

  StorageIo& io() { return *io_; }
  // Where the parameter's files are.
  FileSystem& files() const;
  // A storage of the parameter's backend and rung, with `options`.
  absl::StatusOr<std::unique_ptr<StorageIo>> Create(const StorageIoOptions& options) const;
  void Recreate(const StorageIoOptions& options);
  // The parameter's options, to change and hand to Create() or Recreate().
  StorageIoOptions options() const { return GetParam().options; }
  void DestroyStorage() { io_.reset(); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  OpenFile CreateFile(const std::string& name);
  OpenFile Open(const std::string& name, OpenOptions::Access access);
  FileHandle Register(OpenFile file);
  // A lent buffer, its first `length` bytes set to `fill`.
  BufferLease Filled(char fill, uint32_t length);

  // Stages a write of one block.
  void StageWrite(FileHandle file, uint64_t offset, char fill, uint64_t tag,
                  WriteMode mode = WriteMode::kPlain);
  absl::StatusOr<OpToken> WriteBlock(FileHandle file, BufferLease&& lease);

  // Waits without limit for `count` completions, then polls them.
  std::vector<Completion> WaitFor(size_t count);
  Completion WaitForOne();
  // Writes and waits; expects success.
  void WriteAndWait(FileHandle file, uint64_t offset, uint32_t length, char fill);

  uint64_t FileSize(const std::string& name) const;
  std::string Content(const std::string& name) const;
  bool IsOpen(int fd) const;
  // Whether `file` is the only open of its file, in a ring or outside. Else, on the host, says why.
  testing::AssertionResult NobodyElseHas(const OpenFile& file) const;
  // Pages of the file that are not on the device yet; negative where the kernel does not tell.
  int64_t DirtyPages(const OpenFile& file) const;

 private:
  void MakeDirectory();

  std::string directory_;
  std::unique_ptr<SimDisk> disk_;  // if the parameter is simulated
  std::unique_ptr<SimFileSystem> sim_files_;
  std::unique_ptr<StorageIo> io_;
};

// Runs `body` in a forked child, where it may use gtest's expectations; fails if one of them did
// or if the child did not end by itself. Where the child calls SkipFromChild, skips.
void RunInChild(const std::function<void()>& body);
[[noreturn]] void SkipFromChild(const std::string& reason);

bool AllBytesAre(const BufferLease& buffer, char fill, uint32_t length);

}  // namespace corewal

#endif  // COREWAL_TESTS_IO_BACKEND_STORAGE_IO_FIXTURE_H_
