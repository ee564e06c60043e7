// A full disk is an error, never a success, and not the end: on a small ext4 behind a loop device
// where mounting one is allowed, else on a small tmpfs. Each test mounts its own in a child with a
// mount namespace of its own, which takes the mount with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "tests/io_backend/storage_io_fixture.h"
#include "tests/wal/small_disk.h"

namespace corewal {
namespace {

// ext4 refuses a write that does not fit as a whole, tmpfs takes the part that fits.
enum class Disk { kExt4IfAllowed, kTmpfs };

class StorageIoFullDiskTest : public StorageIoTest {
 protected:
  // Runs `body` in a child on a small file system at Path("small").
  template <typename Body>
  void OnSmallDisk(Disk disk, Body body) {
    DestroyStorage();
    RunInChild([&] {
      ASSERT_EQ(mkdir(Path("small").c_str(), 0700), 0);
      const std::string type = MountSmallDisk({.image = Path("small.image"),
                                               .at = Path("small"),
                                               .mebibytes = 4,
                                               .tmpfs = disk == Disk::kTmpfs});
      if (type == "tmpfs" && GetParam().direct == DirectMode::kOn) {
        SkipFromChild("no loop device to mount, and tmpfs has no direct I/O");
      }
      Recreate(options());
      body();
      DestroyStorage();
    });
  }
  // Writes buffers until one fails; returns its completion.
  Completion Fill(FileHandle file, bool through_ring) {
    for (uint64_t offset = 0;; offset += io().buffer_bytes()) {
      const WriteOp op = {
          .file = file, .offset = FileOffset(offset), .length = io().buffer_bytes()};
      EXPECT_OK(io().Write(op, Filled('f', io().buffer_bytes())).status());
      if (through_ring) {
        EXPECT_OK(io().Submit());
      }
      Completion completion = WaitForOne();
      if (!completion.ok()) return completion;
      EXPECT_EQ(completion.bytes, io().buffer_bytes());
      if (offset > (64u << 20)) return completion;
    }
  }
};

TEST_P(StorageIoFullDiskTest, WriteOnAFullDiskIsAnErrorAndSpaceCanReturn) {
  OnSmallDisk(Disk::kExt4IfAllowed, [this] {
    for (const bool through_ring : {false, true}) {
      const FileHandle ballast = Register(CreateFile("small/ballast"));
      const FileHandle file = Register(CreateFile("small/a"));
      WriteAndWait(file, 0, kBlock, 'x');
      const Completion failed = Fill(ballast, through_ring);
      EXPECT_EQ(failed.error, ENOSPC);
      EXPECT_LT(failed.bytes, io().buffer_bytes());
      ASSERT_OK(io().UnregisterFile(ballast));
      ASSERT_OK(FileSystem::Host().Remove(Path("small/ballast")));
      WriteAndWait(file, kBlock, kBlock, 'y');
      EXPECT_EQ(FileSize("small/a"), 2 * kBlock);
      ASSERT_OK(io().UnregisterFile(file));
      ASSERT_OK(FileSystem::Host().Remove(Path("small/a")));
    }
  });
}

TEST_P(StorageIoFullDiskTest, WriteThatFitsInPartIsAnErrorNotASuccess) {
  if (GetParam().direct == DirectMode::kOn) return;  // tmpfs has none
  OnSmallDisk(Disk::kTmpfs, [this] {
    for (const bool through_ring : {false, true}) {
      const FileHandle spare = Register(CreateFile("small/spare"));
      WriteAndWait(spare, 0, 3 * kBlock, 's');
      const FileHandle ballast = Register(CreateFile("small/ballast"));
      EXPECT_EQ(Fill(ballast, through_ring).error, ENOSPC);
      const FileHandle file = Register(CreateFile("small/a"));
      ASSERT_OK(io().UnregisterFile(spare));
      ASSERT_OK(FileSystem::Host().Remove(Path("small/spare")));
      const uint64_t short_before = io().stats().short_transfers;
      ASSERT_OK(io().Write({.file = file, .length = 8 * kBlock}, Filled('x', 8 * kBlock)).status());
      if (through_ring) {
        ASSERT_OK(io().Submit());
      }
      const Completion completion = WaitForOne();
      EXPECT_EQ(completion.error, ENOSPC);
      EXPECT_EQ(completion.bytes, 3 * kBlock);
      EXPECT_EQ(io().stats().short_transfers, short_before + 1);
      for (const auto& [name, handle] : {std::pair("small/ballast", ballast), {"small/a", file}}) {
        ASSERT_OK(io().UnregisterFile(handle));
        ASSERT_OK(FileSystem::Host().Remove(Path(name)));
      }
    }
  });
}

TEST_P(StorageIoFullDiskTest, PreallocateOnAFullDiskIsAnError) {
  OnSmallDisk(Disk::kExt4IfAllowed, [this] {
    const FileHandle file = Register(CreateFile("small/a"));
    ASSERT_OK(io().Preallocate({.file = file, .length = 64u << 20}).status());
    EXPECT_EQ(WaitForOne().error, ENOSPC);
  });
}

TEST_P(StorageIoFullDiskTest, SmallFileKeepsItsOldContentWhenTheNewDoesNotFit) {
  OnSmallDisk(Disk::kExt4IfAllowed, [this] {
    FileSystem& host = FileSystem::Host();
    ASSERT_OK(host.WriteSmallFile(Path("small/meta"), "old"));
    const FileHandle ballast = Register(CreateFile("small/ballast"));
    EXPECT_EQ(Fill(ballast, false).error, ENOSPC);
    const absl::Status written = host.WriteSmallFile(Path("small/meta"), std::string(1 << 20, 'n'));
    EXPECT_TRUE(absl::IsResourceExhausted(written)) << written;
    const auto content = host.ReadSmallFile(Path("small/meta"), 100);
    ASSERT_OK(content.status());
    EXPECT_EQ(*content, "old");
    EXPECT_TRUE(absl::IsNotFound(host.Open(Path("small/meta.tmp"), {}).status()));
    EXPECT_OK(host.Lock(Path("small/meta")).status()) << "a full disk does not forbid opening";
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoFullDiskTest, testing::ValuesIn(AllSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
