// The pool that grows on misses and shrinks when idle (StorageIoOptions::buffers_max), huge pages,
// locking, and what is counted, on every backend and setting. What cannot be had is taken away for
// real: RLIMIT_DATA, RLIMIT_MEMLOCK as an ordinary user, reserved huge pages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class StorageIoPoolTest : public StorageIoTest {
 protected:
  // Two buffers, up to `buffers_max`, given back by the first Poll or Wait after they were not
  // used.
  StorageIoOptions Growing(uint32_t buffers_max) const {
    StorageIoOptions growing = options();
    growing.buffers = 2;
    growing.buffers_max = buffers_max;
    growing.buffers_idle_ms = 0;
    return growing;
  }
  std::vector<BufferLease> AcquireAll() {
    std::vector<BufferLease> leases;
    for (auto lease = io().AcquireBuffer(); lease.ok(); lease = io().AcquireBuffer()) {
      leases.push_back(*std::move(lease));
    }
    return leases;
  }
  void PollNothing() {
    Completion out[1];
    EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  }
  // Of this process, a line of /proc/self/status in KiB: "VmPin:" is pinned for devices, "VmData:"
  // counts against RLIMIT_DATA.
  static uint64_t StatusKib(const std::string& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
      if (line.rfind(name, 0) == 0) return std::stoull(line.substr(name.size()));
    }
    return 0;
  }
  bool registers() const { return options().registered_buffers == Want::kOn; }
};

// ---- Counters

TEST_P(StorageIoPoolTest, AcquiredReturnedAndMissedAreCounted) {
  StorageIoOptions two = options();
  two.buffers = 2;
  Recreate(two);
  EXPECT_EQ(io().stats().buffer_miss_rate(), 0);
  std::vector<BufferLease> leases = AcquireAll();
  EXPECT_EQ(leases.size(), 2u);
  EXPECT_FALSE(io().AcquireBuffer().ok());
  EXPECT_EQ(io().stats().buffers_acquired, 2u);
  EXPECT_EQ(io().stats().buffers_returned, 0u);
  EXPECT_EQ(io().stats().buffer_misses, 2u);
  EXPECT_EQ(io().stats().buffer_miss_rate(), 0.5);
  leases.clear();
  EXPECT_EQ(io().stats().buffers_returned, 2u);
}

// ---- Growing and shrinking

TEST_P(StorageIoPoolTest, PoolGrowsOnMissesUpToItsBoundAndShrinksWhenIdle) {
  Recreate(Growing(9));
  EXPECT_EQ(io().capabilities().buffers, 2u);
  EXPECT_EQ(io().capabilities().buffers_max, 9u);
  std::vector<BufferLease> leases = AcquireAll();
  EXPECT_EQ(leases.size(), 9u);
  EXPECT_EQ(io().capabilities().buffers, 9u);
  EXPECT_EQ(io().stats().pool_growths, 4u) << "3, 4, 6, 9: by half";
  EXPECT_EQ(io().stats().buffer_misses, 5u);
  if (registers()) {
    EXPECT_EQ(io().capabilities().buffers_registered, 9u);
  }
  PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 9u) << "all are in use";
  leases.resize(5);
  PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 9u) << "nine were in use a moment ago";
  PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 5u);
  if (registers()) {
    EXPECT_EQ(io().capabilities().buffers_registered, 5u);
  }
  leases.clear();
  PollNothing();
  PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 2u) << "not below the lower bound";
  EXPECT_EQ(io().stats().pool_shrinks, 2u);
  EXPECT_EQ(AcquireAll().size(), 9u) << "and again";
  EXPECT_THAT(io().capabilities().fallback_reasons, IsEmpty());
}

TEST_P(StorageIoPoolTest, BuffersGivenBackArePinnedNoMore) {
  if (!registers()) return;
  Recreate(Growing(16));
  const uint64_t before = StatusKib("VmPin:");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(AcquireAll().size(), 16u);
    EXPECT_EQ(StatusKib("VmPin:") - before, 14 * io().buffer_bytes() / 1024);
    for (int i = 0; i < 3; ++i) PollNothing();
    EXPECT_EQ(StatusKib("VmPin:"), before);
  }
}

TEST_P(StorageIoPoolTest, LentBuffersNeitherMoveNorLeave) {
  Recreate(Growing(16));
  std::vector<BufferLease> leases = AcquireAll();
  ASSERT_EQ(leases.size(), 16u);
  for (size_t i = 0; i < leases.size(); ++i) {
    std::memset(leases[i].data(), static_cast<int>('a' + i), io().buffer_bytes());
  }
  BufferLease last = std::move(leases.back());
  BufferLease middle = std::move(leases[7]);
  const std::byte* const address = middle.data();
  leases.clear();
  for (int i = 0; i < 3; ++i) PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 16u) << "the last one is in use";
  last.Return();
  for (int i = 0; i < 3; ++i) PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 8u) << "the eighth is";
  EXPECT_EQ(AcquireAll().size(), 15u);
  EXPECT_EQ(middle.data(), address);
  EXPECT_TRUE(AllBytesAre(middle, 'h', io().buffer_bytes()));
}

TEST_P(StorageIoPoolTest, AddedBuffersTransferAsTheFirstAndStayWhileInFlight) {
  Recreate(Growing(8));
  const FileHandle file = Register(CreateFile("a"));
  for (int round = 0; round < 3; ++round) {
    std::vector<BufferLease> leases = AcquireAll();
    ASSERT_EQ(leases.size(), 8u);
    for (uint32_t i = 0; i < 8; ++i) {
      std::memset(leases[i].data(), static_cast<int>('a' + i + round), kBlock);
      ASSERT_OK(io().Write({.file = file, .offset = FileOffset(i * kBlock), .length = kBlock},
                           std::move(leases[i]))
                    .status());
    }
    ASSERT_OK(io().Submit());
    for (int i = 0; i < 4; ++i) ASSERT_OK(io().Wait(1, 0));  // shrinks only what is not in flight
    EXPECT_EQ(io().capabilities().buffers, 8u);
    for (const Completion& written : WaitFor(8)) EXPECT_EQ(written.error, 0);
    std::string expected;
    for (uint32_t i = 0; i < 8; ++i) expected.append(kBlock, static_cast<char>('a' + i + round));
    EXPECT_EQ(Content("a"), expected);
    for (int i = 0; i < 3; ++i) PollNothing();
    EXPECT_EQ(io().capabilities().buffers, 2u);
  }
}

TEST_P(StorageIoPoolTest, PoolThatMayNotGrowStaysAsItIs) {
  StorageIoOptions fixed = options();
  fixed.buffers = 3;
  Recreate(fixed);
  EXPECT_EQ(AcquireAll().size(), 3u);
  EXPECT_EQ(io().capabilities().buffers_max, 3u);
  EXPECT_EQ(io().stats().pool_growths, 0u);
  EXPECT_EQ(io().stats().pool_growths_refused, 0u);
}

TEST_P(StorageIoPoolTest, GrowthWithoutMemoryIsToldOnceAndThePoolStays) {
  DestroyStorage();
  RunInChild([this] {
    StorageIoOptions growing = Growing(64);
    growing.buffer_bytes = 8 << 20;
    Recreate(growing);
    // Room for less than a buffer.
    const rlimit limit = {.rlim_cur = (StatusKib("VmData:") << 10) + (4 << 20),
                          .rlim_max = RLIM_INFINITY};
    ASSERT_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
    std::vector<BufferLease> leases = AcquireAll();
    EXPECT_EQ(leases.size(), 2u);
    EXPECT_FALSE(io().AcquireBuffer().ok());
    EXPECT_EQ(io().stats().pool_growths_refused, 1u) << "not tried again and again";
    EXPECT_THAT(io().capabilities().fallback_reasons,
                testing::ElementsAre(testing::AllOf(
                    HasSubstr("the pool stays at 2 of up to 64 buffers"), HasSubstr("ENOMEM"))));
    leases.clear();
    DestroyStorage();
  });
}

// As an ordinary user with 1 MiB to lock: 14 buffers of 64 KiB, an eighth is kept for the ring.
TEST_P(StorageIoPoolTest, GrowthBeyondMemlockIsToldAndDoneWithoutRegistering) {
  if (!GetParam().uring() || options().sqpoll == Want::kOn) return;
  RunInChild([this] {
    const rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    const uid_t user = 62000 + static_cast<uid_t>(getpid() % 1000);
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(user, user, user) != 0) {
      SkipFromChild("needs root, to become an ordinary user");
    }
    StorageIoOptions growing = Growing(32);
    growing.queue_depth = 8;
    growing.ring_buffers = 1;
    const Want wanted = growing.registered_buffers;
    auto created = Create(growing);
    ASSERT_OK(created.status());
    std::vector<BufferLease> leases;
    for (auto lease = (*created)->AcquireBuffer(); lease.ok();
         lease = (*created)->AcquireBuffer()) {
      leases.push_back(*std::move(lease));
    }
    const IoCapabilities& caps = (*created)->capabilities();
    if (wanted == Want::kOn) {  // required: it stays
      EXPECT_LE(leases.size(), 14u);
      EXPECT_EQ(caps.buffers_registered, leases.size());
      EXPECT_THAT(caps.fallback_reasons,
                  Contains(testing::AllOf(HasSubstr("the pool stays at"), HasSubstr("ulimit -l"))));
    } else {
      EXPECT_EQ(leases.size(), 32u);
    }
    leases.clear();
    created->reset();
    growing.registered_buffers = Want::kAuto;
    created = Create(growing);
    ASSERT_OK(created.status());
    for (auto lease = (*created)->AcquireBuffer(); lease.ok();
         lease = (*created)->AcquireBuffer()) {
      leases.push_back(*std::move(lease));
    }
    EXPECT_EQ(leases.size(), 32u) << "the others work unregistered";
    EXPECT_LE((*created)->capabilities().buffers_registered, 14u);
    EXPECT_GE((*created)->capabilities().buffers_registered, 2u);
    EXPECT_THAT((*created)->capabilities().fallback_reasons, Contains(HasSubstr("ulimit -l")));
    leases.clear();
    created->reset();
  });
}

TEST_P(StorageIoPoolTest, BoundsOutOfRangeAreNamed) {
  if (GetParam().sim || GetParam().uring()) return;  // it is the factory that looks
  const auto complaint = [&](const StorageIoOptions& options) {
    const auto created = CreateStorageIo(options);
    EXPECT_TRUE(absl::IsInvalidArgument(created.status()));
    return std::string(created.status().message());
  };
  EXPECT_THAT(complaint({.buffers = 8, .buffers_max = 7}), HasSubstr("buffers_max is 7"));
  EXPECT_THAT(complaint({.buffers_max = 16385}), HasSubstr("buffers_max"));
  EXPECT_THAT(complaint({.ring_buffers = 6}), HasSubstr("a power of two"));
  EXPECT_THAT(complaint({.ring_buffers = 8192}), HasSubstr("ring_buffers"));
}

// ---- Locking

TEST_P(StorageIoPoolTest, LockedBuffersAreLockedAndToldSo) {
  StorageIoOptions locked = Growing(8);
  locked.lock_buffers = Want::kOn;
  Recreate(locked);
  EXPECT_TRUE(io().capabilities().buffers_locked);
  std::vector<BufferLease> leases = AcquireAll();
  EXPECT_EQ(leases.size(), 8u);
  leases.clear();
  for (int i = 0; i < 3; ++i) PollNothing();
  EXPECT_EQ(io().capabilities().buffers, 2u);
  EXPECT_TRUE(io().capabilities().buffers_locked);
  EXPECT_EQ(AcquireAll().size(), 8u);
}

TEST_P(StorageIoPoolTest, LockingBeyondTheLimitIsToldOrRefused) {
  if (options().sqpoll == Want::kOn) return;
  RunInChild([this] {
    const rlimit limit = {.rlim_cur = 256 << 10, .rlim_max = 256 << 10};
    ASSERT_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    const uid_t user = 63000 + static_cast<uid_t>(getpid() % 1000);
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(user, user, user) != 0) {
      SkipFromChild("needs root, to become an ordinary user");
    }
    StorageIoOptions locked = options();
    locked.queue_depth = 8;
    locked.registered_buffers = Want::kOff;
    locked.lock_buffers = Want::kAuto;
    const auto created = Create(locked);
    ASSERT_OK(created.status());
    EXPECT_FALSE((*created)->capabilities().buffers_locked);
    EXPECT_THAT(
        (*created)->capabilities().fallback_reasons,
        Contains(testing::AllOf(HasSubstr("buffers are not locked"), HasSubstr("ulimit -l"))));
    locked.lock_buffers = Want::kOn;
    EXPECT_TRUE(absl::IsFailedPrecondition(Create(locked).status()));
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoPoolTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
