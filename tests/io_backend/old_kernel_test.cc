// What an older kernel does not have, taken away by a filter: the ways around it work, and give
// what the ways with it give.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "io_backend/storage_io_factory.h"
#include "tests/io_backend/denied_call.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

using Access = OpenOptions::Access;

class OldKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const scratch = getenv("TEST_TMPDIR");
    std::string pattern =
        absl::StrCat(scratch != nullptr ? scratch : testing::TempDir(), "/old_kernel.XXXXXX");
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

// This one first: what a process is told from its children by is decided once.
TEST_F(OldKernelTest, ForkIsSeenWithoutWipeOnFork) {
  RunInChild([] {
    DenyThirdArgument(SYS_madvise, MADV_WIPEONFORK, EINVAL);
    ASSERT_EQ(madvise(nullptr, 0, MADV_WIPEONFORK), -1) << "the filter is not in effect";
    const auto io = CreateStorageIo({.backend = IoBackend::kPosix, .buffer_bytes = 4096});
    ASSERT_OK(io.status());
    BufferLease lease = *(*io)->AcquireBuffer();
    RunInChild([&] {
      EXPECT_TRUE(absl::IsFailedPrecondition((*io)->AcquireBuffer().status()));
      EXPECT_TRUE(absl::IsFailedPrecondition((*io)->Submit()));
      lease.Return();
      // A process of its own all the same.
      const auto own = CreateStorageIo({.backend = IoBackend::kPosix, .buffer_bytes = 4096});
      ASSERT_OK(own.status());
      EXPECT_OK((*own)->AcquireBuffer().status());
    });
    lease.data()[0] = std::byte{1};
    EXPECT_OK((*io)->AcquireBuffer().status()) << "the parent goes on";
  });
}

TEST_F(OldKernelTest, RenameWithoutNoReplaceNeverReplaces) {
  for (const int error : {EINVAL, ENOSYS}) {
    WriteFile("from", "new");
    WriteFile("taken", "old");
    RunInChild([&] {
      Deny(SYS_renameat2, error);
      EXPECT_TRUE(absl::IsAlreadyExists(host_.Rename(Path("from"), Path("taken"))));
      EXPECT_EQ(Content("taken"), "old");
      EXPECT_EQ(Content("from"), "new") << "a refused rename changes nothing";
      EXPECT_OK(host_.Rename(Path("from"), Path("to")));
      EXPECT_EQ(Content("to"), "new");
      EXPECT_FALSE(std::filesystem::exists(Path("from")));
      EXPECT_TRUE(absl::IsNotFound(host_.Rename(Path("missing"), Path("other"))));
      EXPECT_OK(host_.Remove(Path("to")));
    });
  }
}

TEST_F(OldKernelTest, RenameRefusedForAnotherReasonIsNotTriedAnotherWay) {
  WriteFile("from", "new");
  RunInChild([&] {
    Deny(SYS_renameat2, EROFS);
    EXPECT_FALSE(host_.Rename(Path("from"), Path("to")).ok());
    EXPECT_FALSE(std::filesystem::exists(Path("to")));
  });
}

TEST_F(OldKernelTest, DirectIoIsTriedWhereStatxDoesNotTell) {
  {
    const auto known =
        host_.Open(Path("known"), {.access = Access::kCreate, .direct = DirectMode::kOn});
    if (!known.ok()) GTEST_SKIP() << known.status();
  }
  WriteFile("old", std::string(10'000, 'o'));
  RunInChild([&] {
    Deny(SYS_statx, ENOSYS);
    const auto created =
        host_.Open(Path("new"), {.access = Access::kCreate, .direct = DirectMode::kOn});
    ASSERT_OK(created.status());
    EXPECT_TRUE(created->facts().direct);
    EXPECT_GE(created->facts().alignment, 512u);
    EXPECT_LE(created->facts().alignment, 4096u);
    EXPECT_EQ(std::filesystem::file_size(Path("new")), 0u) << "the trial leaves nothing behind";
    EXPECT_EQ(fcntl(created->fd(), F_GETFL) & O_DIRECT, O_DIRECT);
    const auto opened =
        host_.Open(Path("old"), {.access = Access::kReadWrite, .direct = DirectMode::kOn});
    ASSERT_OK(opened.status());
    EXPECT_TRUE(opened->facts().direct);
    EXPECT_EQ(opened->facts().alignment, 4096u) << "reading proves nothing about less";
    EXPECT_EQ(Content("old"), std::string(10'000, 'o')) << "a file with content is not written to";
  });
}

}  // namespace
}  // namespace corewal
