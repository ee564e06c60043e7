// Which backend is chosen, and what is said when it is not the best. Rungs are taken away for real:
// by the environment, by RLIMIT_MEMLOCK as an ordinary user, and by a seccomp filter.
#include "io_backend/storage_io_factory.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "io_backend/machine_probe.h"
#include "tests/io_backend/denied_call.h"
#include "tests/io_backend/storage_io_fixture.h"
#include "tests/io_backend/system_setting.h"

namespace corewal {
namespace {

using testing::Contains;
using testing::HasSubstr;

// The writing end of a pipe: accepts 64 KiB.
OpenFile OpenPipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return OpenFile(&FileSystem::Host(), ends[1], "pipe", {});
}

void ExpectPosixBecause(const std::string& reason) {
  const auto chosen = CreateStorageIo({.buffer_bytes = 4096});
  ASSERT_OK(chosen.status());
  EXPECT_EQ((*chosen)->capabilities().backend, "posix");
  EXPECT_THAT((*chosen)->capabilities().fallback_reasons, Contains(HasSubstr(reason)));
  const auto required = CreateStorageIo({.backend = IoBackend::kUring, .buffer_bytes = 4096});
  EXPECT_TRUE(absl::IsFailedPrecondition(required.status()));
  EXPECT_THAT(std::string(required.status().message()), HasSubstr(reason));
  const auto feature = CreateStorageIo({.buffer_bytes = 4096, .registered_buffers = Want::kOn});
  EXPECT_TRUE(absl::IsFailedPrecondition(feature.status())) << "no ring, but one is required";
}

TEST(StorageIoFactoryTest, OptionsOutOfRangeAreNamed) {
  const auto complaint = [](const StorageIoOptions& options) {
    const auto created = CreateStorageIo(options);
    EXPECT_TRUE(absl::IsInvalidArgument(created.status()));
    return std::string(created.status().message());
  };
  EXPECT_THAT(complaint({.queue_depth = 0}), HasSubstr("queue_depth is 0, must be 1 to 4096"));
  EXPECT_THAT(complaint({.queue_depth = 4097}), HasSubstr("queue_depth"));
  EXPECT_THAT(complaint({.file_slots = 0}), HasSubstr("file_slots"));
  EXPECT_THAT(complaint({.buffers = 16385}), HasSubstr("buffers"));
  EXPECT_THAT(complaint({.buffer_bytes = 4095}), HasSubstr("buffer_bytes"));
  EXPECT_THAT(complaint({.buffer_bytes = 5000}), HasSubstr("multiple of 4096"));
  EXPECT_THAT(complaint({.buffer_bytes = 128u << 20}), HasSubstr("buffer_bytes"));
}

TEST(StorageIoFactoryTest, LargestQueueWorks) {
  for (const IoBackend backend : {IoBackend::kPosix, IoBackend::kAuto}) {
    EXPECT_OK(
        CreateStorageIo({.backend = backend, .queue_depth = 4096, .buffer_bytes = 4096}).status());
  }
}

TEST(StorageIoFactoryTest, PosixHasNoRingFeatures) {
  for (const StorageIoOptions& options :
       {StorageIoOptions{.backend = IoBackend::kPosix, .registered_buffers = Want::kOn},
        StorageIoOptions{.backend = IoBackend::kPosix, .registered_files = Want::kOn},
        StorageIoOptions{.backend = IoBackend::kPosix, .sqpoll = Want::kOn}}) {
    const auto created = CreateStorageIo(options);
    EXPECT_TRUE(absl::IsFailedPrecondition(created.status()));
    EXPECT_THAT(std::string(created.status().message()), HasSubstr("has no ring"));
  }
}

TEST(StorageIoFactoryTest, AutoTakesTheBestRingWithoutAPoller) {
  const MachineProbe machine = ProbeMachine();
  if (!machine.io_uring_allowed) GTEST_SKIP() << machine.io_uring_denial;
  const auto chosen = CreateStorageIo({});
  ASSERT_OK(chosen.status());
  const IoCapabilities& caps = (*chosen)->capabilities();
  EXPECT_EQ(caps.backend, "uring");
  EXPECT_FALSE(caps.sqpoll);
  for (const MachineProbe::Item& mode : machine.ring_modes) {
    if (mode.name == "sqpoll" || !mode.granted) continue;
    EXPECT_EQ(caps.ring_mode, mode.name) << "the first one granted";
    break;
  }
}

TEST(StorageIoFactoryTest, EnvironmentForbidsTheRing) {
  setenv("COREWAL_IO_URING", "off", 1);
  ExpectPosixBecause("COREWAL_IO_URING=off in the environment; unset it");
  unsetenv("COREWAL_IO_URING");
}

TEST(StorageIoFactoryTest, SeccompDenialIsToldWithItsRemedy) {
  const std::string allow = "; allow io_uring_setup, io_uring_enter and io_uring_register";
  for (const int call : {SYS_io_uring_setup, SYS_io_uring_enter}) {
    RunInChild([&] {
      Deny(call, EPERM);
      ExpectPosixBecause(
          "io_uring is forbidden (EPERM), most likely by the seccomp filter of a "
          "container" +
          allow + " there");
    });
    RunInChild([&] {
      Deny(call, ENOSYS);
      ExpectPosixBecause("this kernel has no io_uring, or a seccomp filter says so (ENOSYS)" +
                         allow + ", or use Linux 5.11 or newer");
    });
  }
}

TEST(StorageIoFactoryTest, DeniedRingIsDeniedToThePollerToo) {
  RunInChild([] {
    Deny(SYS_io_uring_setup, EPERM);
    const auto created = CreateStorageIo({.buffer_bytes = 4096, .sqpoll = Want::kOn});
    EXPECT_TRUE(absl::IsFailedPrecondition(created.status()));
    EXPECT_THAT(std::string(created.status().message()),
                testing::AllOf(HasSubstr("sqpoll"), HasSubstr("seccomp")));
    EXPECT_TRUE(absl::IsFailedPrecondition(CreateSharedPoller().status()));
    EXPECT_FALSE(ProbeMachine().io_uring_allowed);
    EXPECT_THAT(ProbeMachine().io_uring_denial, HasSubstr("seccomp"));
  });
}

// The sysctl is the whole system's, and so is not set here: this process alone sees another file in
// its place, and the kernel's refusal comes from a filter.
TEST(StorageIoFactoryTest, DenialBySysctlNamesItAndItsValue) {
  constexpr char kSysctl[] = "/proc/sys/kernel/io_uring_disabled";
  if (access(kSysctl, F_OK) != 0) GTEST_SKIP() << "this kernel has no " << kSysctl;
  RunInChild([&] {
    const char* const scratch = getenv("TEST_TMPDIR");
    std::string path = std::string(scratch != nullptr ? scratch : testing::TempDir()) +
                       "/io_uring_disabled.XXXXXX";
    const int fd = mkstemp(path.data());
    ASSERT_GE(fd, 0);
    ASSERT_EQ(write(fd, "2\n", 2), 2);
    close(fd);
    const bool seen = unshare(CLONE_NEWNS) == 0 &&
                      mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      mount(path.c_str(), kSysctl, nullptr, MS_BIND, nullptr) == 0;
    unlink(path.c_str());
    if (!seen) SkipFromChild("needs root, to have mounts of its own");
    Deny(SYS_io_uring_setup, EPERM);
    ExpectPosixBecause(
        "io_uring is forbidden by kernel.io_uring_disabled=2; allow it with: sysctl "
        "kernel.io_uring_disabled=0");
  });
}

// The kernel's own refusal, by the sysctl of the whole system. 1 forbids io_uring only to processes
// without CAP_SYS_ADMIN and outside of the group kernel.io_uring_group: first every other process
// of an ordinary user is let in by that group, then a user outside of it is this test. So nobody
// else loses a ring, and the guardian of SystemSetting puts both back whatever happens here.
TEST(StorageIoFactoryTest, SysctlForbidsTheRing) {
  constexpr gid_t kAllowed = 65534;  // the group that the tests as an ordinary user have
  constexpr uid_t kDenied = 64999;
  if (!ProbeMachine().io_uring_allowed) GTEST_SKIP() << ProbeMachine().io_uring_denial;
  SystemSetting group("/proc/sys/kernel/io_uring_group");
  SystemSetting disabled("/proc/sys/kernel/io_uring_disabled");  // put back first
  if (group.before().empty() || disabled.before() != "0") {
    GTEST_SKIP() << "no kernel.io_uring_group, Linux 6.6, or the ring is forbidden already";
  }
  if (!group.Set(std::to_string(kAllowed)) || !disabled.Set("1")) {
    GTEST_SKIP() << "needs root, to set kernel.io_uring_disabled";
  }
  EXPECT_TRUE(ProbeMachine().io_uring_allowed) << "to the others";
  RunInChild([] {
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setresgid(kDenied, kDenied, kDenied), 0);
    ASSERT_EQ(setresuid(kDenied, kDenied, kDenied), 0);
    ExpectPosixBecause(
        "io_uring is forbidden by kernel.io_uring_disabled=1; allow it with: sysctl "
        "kernel.io_uring_disabled=0");
  });
  RunInChild([] {
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setresgid(kAllowed, kAllowed, kAllowed), 0);
    ASSERT_EQ(setresuid(kDenied, kDenied, kDenied), 0);
    EXPECT_TRUE(ProbeMachine().io_uring_allowed) << "to a member of the group";
  });
}

TEST(StorageIoFactoryTest, RingWithoutRegistrationWorksUnregistered) {
  if (!ProbeMachine().io_uring_allowed) GTEST_SKIP() << ProbeMachine().io_uring_denial;
  RunInChild([] {
    Deny(SYS_io_uring_register, EPERM);
    const auto chosen = CreateStorageIo({.buffer_bytes = 4096});
    ASSERT_OK(chosen.status());
    const IoCapabilities& caps = (*chosen)->capabilities();
    EXPECT_EQ(caps.backend, "uring");
    EXPECT_FALSE(caps.registered_buffers);
    EXPECT_FALSE(caps.registered_files);
    EXPECT_THAT(caps.fallback_reasons, Contains(HasSubstr("buffers are not registered")));
    EXPECT_THAT(caps.fallback_reasons, Contains(HasSubstr("files are not registered")));
    EXPECT_FALSE(CreateStorageIo({.registered_files = Want::kOn}).ok());
    OpenFile pipe = OpenPipe();
    const auto file = (*chosen)->RegisterFile(pipe);
    ASSERT_OK(file.status());
    for (int i = 0; i < 2; ++i) {  // two: through the ring
      ASSERT_OK(
          (*chosen)->Write({.file = *file, .length = 100}, *(*chosen)->AcquireBuffer()).status());
    }
    ASSERT_OK((*chosen)->Wait(2, kNever));
    Completion done[2];
    ASSERT_EQ((*chosen)->Poll(absl::MakeSpan(done)), 2u);
    EXPECT_EQ(done[0].bytes, 100u);
    EXPECT_EQ(done[1].bytes, 100u);
  });
}

TEST(StorageIoFactoryTest, MemlockLimitLeavesBuffersUnregisteredAndNamesTheRemedy) {
  if (!ProbeMachine().io_uring_allowed) GTEST_SKIP() << ProbeMachine().io_uring_denial;
  RunInChild([] {
    const rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (ProbeMachine().memlock_exempt && setresuid(65534, 65534, 65534) != 0) {
      SkipFromChild("exempt from the limit, and cannot become another user");
    }
    EXPECT_FALSE(ProbeMachine().memlock_exempt);
    EXPECT_EQ(ProbeMachine().memlock_limit, "1048576 bytes");
    const StorageIoOptions options = {.buffers = 8, .buffer_bytes = 1 << 20};
    const auto chosen = CreateStorageIo(options);
    ASSERT_OK(chosen.status());
    const IoCapabilities& caps = (*chosen)->capabilities();
    EXPECT_EQ(caps.backend, "uring");
    EXPECT_FALSE(caps.registered_buffers);
    EXPECT_TRUE(caps.registered_files);
    EXPECT_THAT(
        caps.fallback_reasons,
        Contains(testing::AllOf(HasSubstr("RLIMIT_MEMLOCK is 1048576"), HasSubstr("ulimit -l"))));
    StorageIoOptions required = options;
    required.registered_buffers = Want::kOn;
    EXPECT_TRUE(absl::IsFailedPrecondition(CreateStorageIo(required).status()));
  });
}

TEST(StorageIoFactoryTest, FileTableBeyondTheLimitOfDescriptorsIsToldWithItsRemedy) {
  StorageIoOptions options = {.backend = IoBackend::kUring, .file_slots = 1000};
  if (const auto io = CreateStorageIo(options); !io.ok()) GTEST_SKIP() << io.status();
  RunInChild([&] {
    const rlimit limit = {.rlim_cur = 64, .rlim_max = 64};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    {
      const auto io = CreateStorageIo(options);
      ASSERT_OK(io.status());
      const IoCapabilities& capabilities = (*io)->capabilities();
      EXPECT_FALSE(capabilities.registered_files);
      ASSERT_EQ(capabilities.fallback_reasons.size(), 1u);
      EXPECT_THAT(capabilities.fallback_reasons[0], HasSubstr("1000 files: EMFILE"));
      EXPECT_THAT(capabilities.fallback_reasons[0], HasSubstr("ulimit -n"));
    }
    options.registered_files = Want::kOn;
    EXPECT_TRUE(absl::IsFailedPrecondition(CreateStorageIo(options).status()));
    options.file_slots = 32;
    EXPECT_OK(CreateStorageIo(options).status());
  });
}

}  // namespace
}  // namespace corewal
