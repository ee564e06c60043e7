// What an ordinary user gets under RLIMIT_MEMLOCK: buffers are registered as far as the limit goes,
// everything works whether registered or not, and the reason names the limit and the remedy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "io_backend/machine_probe.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class StorageIoMemlockTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!ProbeMachine().io_uring_allowed) GTEST_SKIP() << ProbeMachine().io_uring_denial;
    const char* const scratch = getenv("TEST_TMPDIR");
    path_ = std::string(scratch != nullptr ? scratch : testing::TempDir()) + "/memlock.XXXXXX";
    const int fd = mkstemp(path_.data());
    ASSERT_GE(fd, 0) << strerror(errno);
    close(fd);
    auto opened = FileSystem::Host().Open(
        path_, {.access = OpenOptions::Access::kReadWrite, .direct = DirectMode::kAuto});
    ASSERT_OK(opened.status());
    file_ = *std::move(opened);  // before the user changes, who need not reach the directory
  }
  void TearDown() override { unlink(path_.c_str()); }

  // In a child: from now on an ordinary user with this limit. The kernel counts by user, so each
  // test is a user of its own: what other tests pin is not counted.
  static void BecomeOrdinaryUser(uid_t user, uint64_t memlock_bytes) {
    const rlimit limit = {.rlim_cur = memlock_bytes, .rlim_max = memlock_bytes};
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(user, user, user) != 0) {
      SkipFromChild("needs root, to become an ordinary user");
    }
    ASSERT_FALSE(ProbeMachine().memlock_exempt);
  }

  // Writes and reads a block through every buffer, all in flight at once.
  void ExpectEveryBufferWorks(StorageIo& io) {
    const auto file = io.RegisterFile(file_);
    ASSERT_OK(file.status());
    const uint32_t buffers = io.capabilities().buffers;
    for (const bool write : {true, false}) {
      for (uint32_t i = 0; i < buffers; ++i) {
        auto lease = io.AcquireBuffer();
        ASSERT_OK(lease.status());
        std::memset(lease->data(), write ? static_cast<int>(i % 251 + 1) : 0, kBlock);
        const FileOffset offset(uint64_t{i} * kBlock);
        const auto staged =
            write ? io.Write({.file = *file, .offset = offset, .length = kBlock, .tag = i},
                             *std::move(lease))
                  : io.Read({.file = *file, .offset = offset, .length = kBlock, .tag = i},
                            *std::move(lease));
        ASSERT_OK(staged.status());
      }
      std::vector<Completion> done(buffers);
      ASSERT_OK(io.Wait(buffers, kNever));
      ASSERT_EQ(io.Poll(absl::MakeSpan(done)), buffers);
      for (const Completion& completion : done) {
        EXPECT_EQ(completion.error, 0) << strerror(completion.error);
        EXPECT_EQ(completion.bytes, kBlock);
        const char fill = static_cast<char>(completion.tag % 251 + 1);
        EXPECT_TRUE(AllBytesAre(completion.buffer, fill, kBlock)) << completion.tag;
      }
    }
    ASSERT_OK(io.Sync({.file = *file}).status());
    ASSERT_OK(io.Wait(1, kNever));
    Completion synced[1];
    ASSERT_EQ(io.Poll(absl::MakeSpan(synced)), 1u);
    EXPECT_EQ(synced[0].error, 0);
  }

  std::string path_;
  OpenFile file_;
};

TEST_F(StorageIoMemlockTest, EightMebibytesRegisterWhatFitsAndTheRestWorksUnregistered) {
  RunInChild([this] {
    BecomeOrdinaryUser(65534, 8 << 20);
    const auto io = CreateStorageIo({.queue_depth = 128, .buffers = 128, .buffer_bytes = 64 << 10});
    ASSERT_OK(io.status());
    const IoCapabilities& caps = (*io)->capabilities();
    EXPECT_EQ(caps.backend, "uring");
    EXPECT_TRUE(caps.registered_buffers);
    EXPECT_TRUE(caps.registered_files);
    // 7 of 8 MiB, unless another process of this user has pinned some.
    EXPECT_GT(caps.buffers_registered, 0u);
    EXPECT_LE(caps.buffers_registered, 112u);
    EXPECT_THAT(caps.fallback_reasons,
                ElementsAre(AllOf(HasSubstr("of 128 buffers are registered"),
                                  HasSubstr("RLIMIT_MEMLOCK is 8388608 bytes: raise it"),
                                  HasSubstr("ulimit -l"), HasSubstr("LimitMEMLOCK="))));
    ExpectEveryBufferWorks(**io);
  });
}

TEST_F(StorageIoMemlockTest, SixtyFourKibibytesRegisterNothingAndEverythingWorks) {
  RunInChild([this] {
    BecomeOrdinaryUser(61001, 64 << 10);
    const auto io = CreateStorageIo({.buffers = 8, .buffer_bytes = 64 << 10});
    ASSERT_OK(io.status());
    const IoCapabilities& caps = (*io)->capabilities();
    EXPECT_EQ(caps.backend, "uring");
    EXPECT_FALSE(caps.registered_buffers);
    EXPECT_EQ(caps.buffers_registered, 0u);
    EXPECT_THAT(caps.fallback_reasons,
                ElementsAre(AllOf(HasSubstr("buffers are not registered"),
                                  HasSubstr("RLIMIT_MEMLOCK is 65536 bytes: raise it"),
                                  HasSubstr("ulimit -l"))));
    ExpectEveryBufferWorks(**io);
  });
}

TEST_F(StorageIoMemlockTest, FirstStorageLeavesRoomForTheRingOfTheNext) {
  RunInChild([this] {
    BecomeOrdinaryUser(61002, 8 << 20);
    const StorageIoOptions options = {.queue_depth = 128, .buffers = 128, .buffer_bytes = 64 << 10};
    const auto first = CreateStorageIo(options);
    ASSERT_OK(first.status());
    EXPECT_EQ((*first)->capabilities().buffers_registered, 112u);
    const auto second = CreateStorageIo(options);
    ASSERT_OK(second.status());
    const IoCapabilities& caps = (*second)->capabilities();
    EXPECT_EQ(caps.backend, "uring");
    EXPECT_LT(caps.buffers_registered, 16u);
    EXPECT_THAT(caps.fallback_reasons,
                ElementsAre(AllOf(HasSubstr("registering 112 buffers"), HasSubstr("ENOMEM"),
                                  HasSubstr("ulimit -l"))));
    ExpectEveryBufferWorks(**second);
  });
}

TEST_F(StorageIoMemlockTest, LimitTooSmallForARingIsPosixWithTheRemedy) {
  RunInChild([this] {
    BecomeOrdinaryUser(61003, 0);
    const auto io = CreateStorageIo({.buffers = 8, .buffer_bytes = 64 << 10});
    ASSERT_OK(io.status());
    const IoCapabilities& caps = (*io)->capabilities();
    ASSERT_FALSE(caps.fallback_reasons.empty());
    EXPECT_THAT(caps.fallback_reasons[0],
                AllOf(HasSubstr("RLIMIT_MEMLOCK"), HasSubstr("ulimit -l")))
        << caps.backend;
    ExpectEveryBufferWorks(**io);
  });
}

TEST_F(StorageIoMemlockTest, RequiredBuffersAreAllOrAnError) {
  RunInChild([] {
    BecomeOrdinaryUser(61004, 8 << 20);
    StorageIoOptions options = {.buffers = 100, .buffer_bytes = 64 << 10};
    options.registered_buffers = Want::kOn;
    const auto fits = CreateStorageIo(options);
    ASSERT_OK(fits.status());
    EXPECT_EQ((*fits)->capabilities().buffers_registered, 100u);
    const auto too_many = CreateStorageIo(options);
    EXPECT_TRUE(absl::IsFailedPrecondition(too_many.status()));
    EXPECT_THAT(std::string(too_many.status().message()), HasSubstr("ulimit -l"));
  });
}

}  // namespace
}  // namespace corewal
