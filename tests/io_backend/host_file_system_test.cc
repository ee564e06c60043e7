#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io_backend/file_system.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

using testing::HasSubstr;
using Access = OpenOptions::Access;

class HostFileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const scratch = getenv("TEST_TMPDIR");
    std::string pattern =
        absl::StrCat(scratch != nullptr ? scratch : testing::TempDir(), "/host_fs.XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr) << strerror(errno);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void WriteFile(const std::string& name, const std::string& content) {
    std::ofstream(Path(name), std::ios::binary) << content;
  }
  std::string Content(const std::string& name) {
    std::ifstream in(Path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  FileSystem& host_ = FileSystem::Host();
  std::string directory_;
};

// ---- Open

TEST_F(HostFileSystemTest, CreatedFileIsPrivateAndClosedOnExec) {
  const auto file = host_.Open(Path("a"), {.access = Access::kCreate});
  ASSERT_OK(file.status());
  struct stat facts;
  ASSERT_EQ(fstat(file->fd(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(fcntl(file->fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(fcntl(file->fd(), F_GETFL) & (O_NONBLOCK | O_APPEND), 0);
  EXPECT_EQ(file->path(), Path("a"));
  EXPECT_EQ(file->facts().alignment, 1u);
  EXPECT_FALSE(file->facts().direct);
}

TEST_F(HostFileSystemTest, CreateNeverTakesAnExistingFile) {
  WriteFile("a", "old");
  EXPECT_TRUE(absl::IsAlreadyExists(host_.Open(Path("a"), {.access = Access::kCreate}).status()));
  EXPECT_EQ(Content("a"), "old");
}

TEST_F(HostFileSystemTest, OpenTellsTheSize) {
  WriteFile("a", "12345");
  EXPECT_EQ(host_.Open(Path("a"), {})->facts().size_bytes, 5u);
}

TEST_F(HostFileSystemTest, WhatIsNotARegularFileIsRefusedByName) {
  WriteFile("target", "x");
  ASSERT_EQ(symlink(Path("target").c_str(), Path("link").c_str()), 0);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(mkdir(Path("dir").c_str(), 0700), 0);
  for (const char* name : {"link", "fifo", "dir"}) {
    for (const Access access : {Access::kRead, Access::kReadWrite}) {
      const auto file = host_.Open(Path(name), {.access = access});
      EXPECT_TRUE(absl::IsFailedPrecondition(file.status())) << name << ": " << file.status();
      EXPECT_THAT(std::string(file.status().message()), HasSubstr(Path(name)));
    }
  }
  EXPECT_TRUE(absl::IsNotFound(host_.Open(Path("missing"), {}).status()));
}

TEST_F(HostFileSystemTest, DirectIoIsVerifiedBeforeItIsPromised) {
  for (const Access access : {Access::kCreate, Access::kReadWrite, Access::kRead}) {
    const auto file = host_.Open(Path("a"), {.access = access, .direct = DirectMode::kAuto});
    ASSERT_OK(file.status());
    const bool flag = (fcntl(file->fd(), F_GETFL) & O_DIRECT) != 0;
    EXPECT_EQ(file->facts().direct, flag);
    EXPECT_EQ(file->facts().size_bytes, 0u);
    if (!flag) {
      EXPECT_EQ(file->facts().alignment, 1u);
      continue;
    }
    EXPECT_GE(file->facts().alignment, 512u);
    EXPECT_LE(file->facts().alignment, 4096u);
  }
}

TEST_F(HostFileSystemTest, DirectIoInMemoryIsNoneAndSaidToBe) {
  const std::string path = absl::StrCat("/dev/shm/corewal_direct_test.", getpid());
  if (host_.TypeName("/dev/shm") != "tmpfs") GTEST_SKIP() << "/dev/shm is not a tmpfs";
  const auto required = host_.Open(path, {.access = Access::kCreate, .direct = DirectMode::kOn});
  EXPECT_TRUE(absl::IsFailedPrecondition(required.status())) << required.status();
  EXPECT_TRUE(absl::IsNotFound(host_.Open(path, {}).status())) << "nothing is left behind";
  const auto automatic = host_.Open(path, {.access = Access::kCreate, .direct = DirectMode::kAuto});
  ASSERT_OK(automatic.status());
  EXPECT_FALSE(automatic->facts().direct);
  EXPECT_EQ(fcntl(automatic->fd(), F_GETFL) & O_DIRECT, 0);
  EXPECT_OK(host_.Remove(path));
}

// ---- Directories

TEST_F(HostFileSystemTest, DirectoriesAreCreatedWithTheirParentsTheLastOnePrivate) {
  ASSERT_OK(host_.CreateDirectories(Path("x/y//z/")));
  struct stat facts;
  ASSERT_EQ(stat(Path("x/y/z").c_str(), &facts), 0);
  EXPECT_TRUE(S_ISDIR(facts.st_mode));
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  EXPECT_OK(host_.CreateDirectories(Path("x/y/z"))) << "it exists";
  EXPECT_OK(host_.CreateDirectories("/"));
  EXPECT_OK(host_.CreateDirectories("."));
  EXPECT_TRUE(absl::IsInvalidArgument(host_.CreateDirectories("")));
}

TEST_F(HostFileSystemTest, AParentThatIsThereAndTakesNoDirectoryIsAnErrorNotALoop) {
  const absl::Status created = host_.CreateDirectories("/proc/corewal/below");
  EXPECT_FALSE(created.ok());
  EXPECT_THAT(std::string(created.message()), HasSubstr("mkdir /proc/corewal"));
}

TEST_F(HostFileSystemTest, FileWhereADirectoryShouldBeIsOneClearError) {
  WriteFile("file", "x");
  for (const char* name : {"file", "file/below", "file/deep/below"}) {
    const absl::Status created = host_.CreateDirectories(Path(name));
    EXPECT_TRUE(absl::IsFailedPrecondition(created)) << created;
    EXPECT_THAT(std::string(created.message()), HasSubstr("not a directory"));
    EXPECT_THAT(std::string(created.message()), HasSubstr(Path("file")));
  }
  for (const absl::Status& status :
       {host_.List(Path("file")).status(), host_.SyncDirectory(Path("file")),
        host_.OpenDirectory(Path("file")).status()}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not a directory"));
  }
  EXPECT_EQ(Content("file"), "x");
}

TEST_F(HostFileSystemTest, ListShowsNamesKindsAndSizes) {
  WriteFile("a", "123");
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  ASSERT_EQ(symlink("nowhere", Path("l").c_str()), 0);
  const auto entries = host_.List(directory_);
  ASSERT_OK(entries.status());
  std::vector<std::string> seen;
  for (const DirectoryEntry& entry : *entries) {
    seen.push_back(absl::StrCat(entry.name, entry.is_directory ? "/" : "",
                                entry.name == "a" ? absl::StrCat(" ", entry.size_bytes) : ""));
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAre("a 3", "d/", "l"));
  EXPECT_TRUE(absl::IsNotFound(host_.List(Path("missing")).status()));
}

// ---- Names and whole files

TEST_F(HostFileSystemTest, RenameNeverReplaces) {
  WriteFile("a", "a");
  WriteFile("b", "b");
  EXPECT_TRUE(absl::IsAlreadyExists(host_.Rename(Path("a"), Path("b"))));
  EXPECT_EQ(Content("b"), "b");
  EXPECT_OK(host_.Rename(Path("a"), Path("c")));
  EXPECT_EQ(Content("c"), "a");
  EXPECT_TRUE(absl::IsNotFound(host_.Rename(Path("a"), Path("d"))));
}

TEST_F(HostFileSystemTest, ResizeCutsAndExtends) {
  WriteFile("a", "12345");
  ASSERT_OK(host_.Resize(Path("a"), 3));
  EXPECT_EQ(Content("a"), "123");
  ASSERT_OK(host_.Resize(Path("a"), 5));
  EXPECT_EQ(Content("a"), std::string("123\0\0", 5));
  EXPECT_FALSE(host_.Resize(Path("a"), UINT64_MAX).ok());
  EXPECT_TRUE(absl::IsNotFound(host_.Resize(Path("missing"), 1)));
}

TEST_F(HostFileSystemTest, SmallFileIsReplacedWhole) {
  const std::string big(100'000, 'b');
  ASSERT_OK(host_.WriteSmallFile(Path("meta"), "old"));
  ASSERT_OK(host_.WriteSmallFile(Path("meta"), big));
  EXPECT_EQ(*host_.ReadSmallFile(Path("meta"), big.size()), big);
  EXPECT_TRUE(absl::IsFailedPrecondition(host_.ReadSmallFile(Path("meta"), 99'999).status()));
  ASSERT_OK(host_.WriteSmallFile(Path("meta"), ""));
  EXPECT_EQ(*host_.ReadSmallFile(Path("meta"), 0), "");
  EXPECT_EQ(host_.List(directory_)->size(), 1u) << "no temporary file is left";
  EXPECT_TRUE(absl::IsNotFound(host_.ReadSmallFile(Path("missing"), 10).status()));
}

TEST_F(HostFileSystemTest, LeftOverTemporaryFileIsInNobodysWay) {
  WriteFile("meta.tmp", "from a crash, and longer than the new content");
  ASSERT_OK(host_.WriteSmallFile(Path("meta"), "new"));
  EXPECT_EQ(Content("meta"), "new");
}

TEST_F(HostFileSystemTest, FileSizeLimitIsAnErrorNotASignal) {
  RunInChild([this] {
    const rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_OK(host_.WriteSmallFile(Path("meta"), "old"));
    const absl::Status written = host_.WriteSmallFile(Path("meta"), std::string(2000, 'n'));
    EXPECT_TRUE(absl::IsOutOfRange(written)) << written;
    EXPECT_FALSE(host_.Resize(Path("meta"), 2000).ok());
    EXPECT_EQ(*host_.ReadSmallFile(Path("meta"), 10), "old");
  });
}

// ---- Locks

TEST_F(HostFileSystemTest, LockExcludesAnotherCallerOfThisProcess) {
  auto lock = host_.Lock(Path("LOCK"));
  ASSERT_OK(lock.status());
  const auto second = host_.Lock(Path("LOCK"));
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("locked by process ", getpid(), " (this one)")));
  lock->reset();
  EXPECT_OK(host_.Lock(Path("LOCK")).status());
}

TEST_F(HostFileSystemTest, LockExcludesAnotherProcessAndNamesTheHolder) {
  const pid_t holder = getpid();
  const auto lock = host_.Lock(Path("LOCK"));
  ASSERT_OK(lock.status());
  RunInChild([&] {
    const auto second = host_.Lock(Path("LOCK"));
    EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
    EXPECT_THAT(std::string(second.status().message()),
                testing::EndsWith(absl::StrCat("locked by process ", holder)));
  });
}

TEST_F(HostFileSystemTest, LockOfAProcessThatDiedIsFree) {
  RunInChild([this] { ASSERT_OK(host_.Lock(Path("LOCK")).status()); });
  RunInChild([this] {
    auto kept = host_.Lock(Path("LOCK"));
    ASSERT_OK(kept.status());
    (void)kept->release();  // as if killed: nothing unlocks
  });
  EXPECT_OK(host_.Lock(Path("LOCK")).status());
}

TEST_F(HostFileSystemTest, ReadingTheLockFileDoesNotUnlockIt) {
  const auto lock = host_.Lock(Path("LOCK"));
  ASSERT_OK(lock.status());
  EXPECT_OK(host_.ReadSmallFile(Path("LOCK"), 100).status());
  EXPECT_TRUE(absl::IsUnavailable(host_.Lock(Path("LOCK")).status()));
}

// ---- Facts

TEST_F(HostFileSystemTest, TypeNameKnowsThePathOrItsNearestParent) {
  EXPECT_EQ(host_.TypeName("/proc"), "0x9fa0") << "one without a name here";
  EXPECT_EQ(host_.TypeName(Path("missing/deep")), host_.TypeName(directory_));
}

TEST_F(HostFileSystemTest, FreeBytesAreToldOrAnError) {
  EXPECT_OK(host_.FreeBytes(directory_).status());
  EXPECT_TRUE(absl::IsNotFound(host_.FreeBytes(Path("missing")).status()));
}

}  // namespace
}  // namespace corewal
