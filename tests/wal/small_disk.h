// tests/wal/small_disk.h: a file system of some MiB for a test to fill up or to make read-only.
//
//   RunInChild([&] {
//     const std::string type = MountSmallDisk({.image = image, .at = directory, .mebibytes = 16});
//     ... // gone with the child, however that ends
//   });
//
// Call it in a child: it gets a mount namespace of its own, which takes the mount with it, and the
// mount its loop device.
#ifndef COREWAL_TESTS_WAL_SMALL_DISK_H_
#define COREWAL_TESTS_WAL_SMALL_DISK_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {

struct SmallDisk {
  std::string image;  // made, sparse; the caller removes it
  std::string at;     // a directory
  unsigned mebibytes = 16;
  bool tmpfs = false;  // that, whatever is allowed: it takes the part of a write that fits
};

// ext4 behind a loop device where that is allowed, else tmpfs; returns which. Skips from the child
// where nothing can be mounted.
inline std::string MountSmallDisk(const SmallDisk& disk) {
  const auto skip = [](const char* what) {
    SkipFromChild(absl::StrCat(what, ": ", strerror(errno)));
  };
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    skip("no mount namespace");
  }
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) skip("no private mounts");
  const std::string mount_ext4 =
      absl::StrCat("{ truncate -s ", disk.mebibytes, "M ", disk.image,
                   " && /usr/sbin/mkfs.ext4 -q -F -b 4096 -O ^has_journal -m 0 ", disk.image,
                   " && mount -o loop ", disk.image, " ", disk.at, "; } >/dev/null 2>&1");
  std::string type = "ext4";
  if (disk.tmpfs || std::system(mount_ext4.c_str()) != 0) {  // NOLINT(cert-env33-c)
    type = "tmpfs";
    const std::string size = absl::StrCat("size=", disk.mebibytes, "m,huge=never");
    if (mount("tmpfs", disk.at.c_str(), "tmpfs", 0, size.c_str()) != 0) skip("no tmpfs");
  }
  std::printf("small disk: %s\n", type.c_str());
  return type;
}

// Every write below `at` fails from now on. Nobody has anything open for writing there; but the
// kernel may close the files of a ring some time after its process has died, so this waits.
inline void MakeReadOnly(const std::string& at) {
  for (int tries = 0; tries < 6000; ++tries) {
    if (mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0) return;
    ASSERT_EQ(errno, EBUSY);
    usleep(10'000);
  }
  FAIL() << at << " stays busy";
}

// Takes the last byte with the file `path`.
inline void FillDisk(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0) << strerror(errno);
  const std::string block(1 << 20, 'b');
  for (const size_t bytes : {size_t{1} << 20, size_t{4096}, size_t{1}}) {
    while (write(fd, block.data(), bytes) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
  }
  close(fd);
}

inline uint64_t FreeBlocks(const std::string& at) {
  struct statvfs facts;
  EXPECT_EQ(statvfs(at.c_str(), &facts), 0);
  return facts.f_bavail;
}

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_SMALL_DISK_H_
