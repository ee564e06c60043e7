// The contract of StorageIo (io_backend/CONTRACT.md), on every backend and setting: what each
// method promises while nothing fails, and how it refuses what it must not accept. Tokens, the
// queue and its driving are in storage_io_queue_test.cc. What failing devices, limits, forks and
// threads do is in storage_io_failure_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoContractTest : public StorageIoTest {};

// ---- Write and Read

TEST_P(StorageIoContractTest, WhatWasWrittenIsReadBack) {
  const FileHandle file = Register(CreateFile("a"));
  const WriteOp write = {.file = file,
                         .offset = FileOffset(8192),
                         .length = 8192,
                         .mode = WriteMode::kPlain,
                         .tag = 7};
  const auto token = io().Write(write, Filled('x', 8192));
  ASSERT_OK(token.status());
  const Completion written = WaitForOne();
  EXPECT_EQ(written.error, 0);
  EXPECT_EQ(written.bytes, 8192u);
  EXPECT_EQ(written.tag, 7u);
  EXPECT_EQ(written.kind, OpKind::kWrite);
  EXPECT_EQ(written.token, *token);
  EXPECT_TRUE(AllBytesAre(written.buffer, 'x', 8192)) << "the buffer comes back as it was";
  const ReadOp read = {.file = file, .offset = FileOffset(8192), .length = 8192, .tag = 8};
  ASSERT_OK(io().Read(read, Filled('\0', 8192)).status());
  const Completion done = WaitForOne();
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.bytes, 8192u);
  EXPECT_EQ(done.tag, 8u);
  EXPECT_EQ(done.kind, OpKind::kRead);
  EXPECT_TRUE(AllBytesAre(done.buffer, 'x', 8192));
}

TEST_P(StorageIoContractTest, ManyWritesInFlightLandWhereTheyBelong) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 8; ++i) StageWrite(file, (7 - i) * kBlock, 'a' + i, i);
  std::set<uint64_t> tags;
  for (const Completion& completion : WaitFor(8)) {
    EXPECT_EQ(completion.error, 0);
    EXPECT_EQ(completion.bytes, kBlock);
    tags.insert(completion.tag);
  }
  EXPECT_EQ(tags, (std::set<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  const std::string content = Content("a");
  ASSERT_EQ(content.size(), 8 * kBlock);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(content.substr((7 - i) * kBlock, kBlock), std::string(kBlock, 'a' + i));
  }
}

TEST_P(StorageIoContractTest, DsyncWritesCompleteAndCountAsSyncs) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'a', 1, WriteMode::kDsync);
  EXPECT_EQ(WaitForOne().error, 0);
  StageWrite(file, kBlock, 'b', 2, WriteMode::kDsync);
  StageWrite(file, 2 * kBlock, 'c', 3, WriteMode::kDsync);
  for (const Completion& completion : WaitFor(2)) EXPECT_EQ(completion.error, 0);
  EXPECT_EQ(io().stats().syncs, 3u);
  EXPECT_EQ(Content("a"),
            std::string(kBlock, 'a') + std::string(kBlock, 'b') + std::string(kBlock, 'c'));
}

TEST_P(StorageIoContractTest, DsyncWritesAndSyncsLeaveNoDirtyPages) {
  if (GetParam().direct == DirectMode::kOn) return;  // past the page cache
  const FileHandle file = Register(CreateFile("a"));
  const OpenFile watched = Open("a", OpenOptions::Access::kRead);
  if (DirtyPages(watched) < 0) GTEST_SKIP() << "no cachestat(2), Linux 6.5: " << strerror(errno);
  for (const bool submitted : {false, true}) {
    const auto complete = [&](const absl::StatusOr<OpToken>& token) {
      ASSERT_OK(token.status());
      if (submitted) {
        ASSERT_OK(io().Submit());
      }
      EXPECT_EQ(WaitForOne().error, 0);
    };
    WriteOp op = {.file = file, .length = kBlock, .mode = WriteMode::kDsync};
    complete(io().Write(op, Filled('d', kBlock)));
    EXPECT_EQ(DirtyPages(watched), 0);
    for (const SyncMode mode : {SyncMode::kDatasync, SyncMode::kFull}) {
      op.mode = WriteMode::kPlain;
      complete(io().Write(op, Filled('p', kBlock)));
      EXPECT_EQ(DirtyPages(watched), 1) << "else this test shows nothing";
      complete(io().Sync({.file = file, .mode = mode}));
      EXPECT_EQ(DirtyPages(watched), 0);
    }
  }
}

TEST_P(StorageIoContractTest, OnlyTheGivenLengthIsWritten) {
  const FileHandle file = Register(CreateFile("a"));
  ASSERT_OK(WriteBlock(file, Filled('x', io().buffer_bytes())).status());
  EXPECT_EQ(WaitForOne().bytes, kBlock);
  EXPECT_EQ(FileSize("a"), kBlock);
}

TEST_P(StorageIoContractTest, AWholeBufferIsWritten) {
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, io().buffer_bytes(), 'w');
  EXPECT_EQ(Content("a"), std::string(io().buffer_bytes(), 'w'));
}

TEST_P(StorageIoContractTest, ReadIsShortAtTheEndOfTheFileOnly) {
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, 2 * kBlock, 'x');
  ASSERT_OK(io().Read({.file = file, .offset = FileOffset(kBlock), .length = 4 * kBlock},
                      Filled('-', 4 * kBlock))
                .status());
  const Completion short_read = WaitForOne();
  EXPECT_EQ(short_read.error, 0);
  EXPECT_EQ(short_read.bytes, kBlock);
  EXPECT_TRUE(AllBytesAre(short_read.buffer, 'x', kBlock));
  ASSERT_OK(io().Read({.file = file, .offset = FileOffset(8 * kBlock), .length = kBlock},
                      Filled('-', kBlock))
                .status());
  const Completion beyond = WaitForOne();
  EXPECT_EQ(beyond.error, 0);
  EXPECT_EQ(beyond.bytes, 0u);
}

TEST_P(StorageIoContractTest, ReadEndsInsideABlockWhereTheFileDoes) {
  FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, 2 * kBlock, 'x');
  ASSERT_OK(io().UnregisterFile(file));
  ASSERT_OK(files().Resize(Path("a"), kBlock + 100));
  file = Register(Open("a", OpenOptions::Access::kRead));
  ASSERT_OK(io().Read({.file = file, .length = 2 * kBlock}, Filled('-', 2 * kBlock)).status());
  const Completion read = WaitForOne();
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(read.bytes, kBlock + 100);
  EXPECT_TRUE(AllBytesAre(read.buffer, 'x', kBlock + 100));
}

TEST_P(StorageIoContractTest, LengthOutOfRangeIsRefusedAndTheLeaseKept) {
  const FileHandle file = Register(CreateFile("a"));
  for (const uint32_t length : {0u, io().buffer_bytes() + kBlock, UINT32_MAX}) {
    BufferLease lease = Filled('x', kBlock);
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Write({.file = file, .length = length}, std::move(lease)).status()));
    EXPECT_TRUE(lease) << "a refused operation leaves the lease with the caller";
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Read({.file = file, .length = length}, std::move(lease)).status()));
    EXPECT_TRUE(lease);
  }
  EXPECT_EQ(io().in_flight(), 0u);
}

TEST_P(StorageIoContractTest, OffsetOutOfRangeIsRefused) {
  // -1 would mean "at the file position" to the kernel, and overwrite the head of the file.
  const FileHandle file = Register(CreateFile("a"));
  for (const uint64_t offset : {UINT64_MAX, uint64_t{INT64_MAX}, UINT64_MAX - kBlock + 1}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Write({.file = file, .offset = FileOffset(offset), .length = kBlock},
                   Filled('x', kBlock))
            .status()))
        << offset;
  }
  EXPECT_EQ(FileSize("a"), 0u);
}

TEST_P(StorageIoContractTest, DirectFilesWantAlignedTransfers) {
  const FileHandle file = Register(CreateFile("a"));
  const bool direct = GetParam().direct == DirectMode::kOn;
  const auto odd_offset =
      io().Write({.file = file, .offset = FileOffset(100), .length = kBlock}, Filled('x', kBlock));
  const auto odd_length = io().Write({.file = file, .length = 100}, Filled('y', kBlock));
  EXPECT_EQ(absl::IsInvalidArgument(odd_offset.status()), direct) << odd_offset.status();
  EXPECT_EQ(absl::IsInvalidArgument(odd_length.status()), direct) << odd_length.status();
  if (direct) {
    EXPECT_THAT(std::string(odd_offset.status().message()), testing::HasSubstr(Path("a")));
    return;
  }
  for (const Completion& completion : WaitFor(2)) EXPECT_EQ(completion.error, 0);
  EXPECT_EQ(FileSize("a"), 100 + kBlock);
}

TEST_P(StorageIoContractTest, WritingAFileOpenedForReadingFailsInItsCompletion) {
  { const OpenFile created = CreateFile("a"); }
  const FileHandle file = Register(Open("a", OpenOptions::Access::kRead));
  for (const bool submitted : {false, true}) {
    ASSERT_OK(WriteBlock(file, Filled('x', kBlock)).status());
    if (submitted) {
      ASSERT_OK(io().Submit());
    }
    const Completion completion = WaitForOne();
    EXPECT_EQ(completion.error, EBADF);
    EXPECT_EQ(completion.bytes, 0u);
    EXPECT_TRUE(completion.buffer) << "the lease comes home from a failed operation too";
  }
  EXPECT_EQ(io().stats().failed, 2u);
}

// ---- Sync and Preallocate

TEST_P(StorageIoContractTest, SyncCompletesInBothModes) {
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, kBlock, 'x');
  for (const SyncMode mode : {SyncMode::kDatasync, SyncMode::kFull}) {
    for (const bool submitted : {false, true}) {
      ASSERT_OK(io().Sync({.file = file, .mode = mode, .tag = 3}).status());
      if (submitted) {
        ASSERT_OK(io().Submit());
      }
      const Completion synced = WaitForOne();
      EXPECT_EQ(synced.error, 0);
      EXPECT_EQ(synced.kind, OpKind::kSync);
      EXPECT_EQ(synced.tag, 3u);
      EXPECT_FALSE(synced.buffer);
    }
  }
}

TEST_P(StorageIoContractTest, DirectoryIsSyncedInFull) {
  { const OpenFile created = CreateFile("a"); }
  auto directory = files().OpenDirectory(Path(""));
  ASSERT_OK(directory.status());
  const FileHandle handle = Register(*std::move(directory));
  ASSERT_OK(io().Sync({.file = handle, .mode = SyncMode::kFull}).status());
  EXPECT_EQ(WaitForOne().error, 0);
}

TEST_P(StorageIoContractTest, PreallocateExtendsTheFile) {
  const FileHandle file = Register(CreateFile("a"));
  ASSERT_OK(io().Preallocate({.file = file, .offset = FileOffset(0), .length = 65536, .tag = 5})
                .status());
  const Completion done = WaitForOne();
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.kind, OpKind::kPreallocate);
  EXPECT_EQ(done.tag, 5u);
  EXPECT_EQ(FileSize("a"), 65536u);
}

TEST_P(StorageIoContractTest, PreallocateRangeIsChecked) {
  const FileHandle file = Register(CreateFile("a"));
  const auto refused = [&](uint64_t offset, uint64_t length) {
    return absl::IsInvalidArgument(
        io().Preallocate({.file = file, .offset = FileOffset(offset), .length = length}).status());
  };
  EXPECT_TRUE(refused(0, 0));
  EXPECT_TRUE(refused(0, UINT64_MAX));
  EXPECT_TRUE(refused(UINT64_MAX, 1));
  EXPECT_TRUE(refused(uint64_t{INT64_MAX}, 1));
}

// ---- Files

TEST_P(StorageIoContractTest, StaleHandleIsRefusedByEveryMethod) {
  const FileHandle file = Register(CreateFile("a"));
  ASSERT_OK(io().UnregisterFile(file));
  const FileHandle successor = Register(CreateFile("b"));
  EXPECT_EQ(successor.index, file.index) << "the test wants the slot to be reused";
  for (const FileHandle stale : {file, FileHandle{}, FileHandle{1'000'000, 1}}) {
    BufferLease lease = Filled('x', kBlock);
    EXPECT_TRUE(absl::IsInvalidArgument(WriteBlock(stale, std::move(lease)).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Read({.file = stale, .length = kBlock}, std::move(lease)).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(io().Sync({.file = stale}).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(io().Preallocate({.file = stale, .length = 1}).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(io().UnregisterFile(stale)));
  }
  EXPECT_EQ(FileSize("b"), 0u);
}

TEST_P(StorageIoContractTest, FullFileTableIsRefusedWithItsLimitAndTheFileKept) {
  StorageIoOptions few = options();
  few.file_slots = 2;
  Recreate(few);
  const FileHandle first = Register(CreateFile("a"));
  Register(CreateFile("b"));
  OpenFile third = CreateFile("c");
  const auto refused = io().RegisterFile(third);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("all 2 file slots"));
  EXPECT_TRUE(third) << "a refused file stays the caller's";
  ASSERT_OK(io().UnregisterFile(first));
  EXPECT_OK(io().RegisterFile(third).status());
  EXPECT_FALSE(third);
}

TEST_P(StorageIoContractTest, ClosedFileIsNotRegistered) {
  OpenFile closed;
  EXPECT_TRUE(absl::IsInvalidArgument(io().RegisterFile(closed).status()));
}

TEST_P(StorageIoContractTest, UnregisterClosesTheFile) {
  OpenFile opened = CreateFile("a");
  const int fd = opened.fd();
  const FileHandle file = Register(std::move(opened));
  EXPECT_TRUE(IsOpen(fd));
  ASSERT_OK(io().UnregisterFile(file));
  EXPECT_FALSE(IsOpen(fd));
}

TEST_P(StorageIoContractTest, UnregisteredFileIsHeldOpenByNobody) {
  const FileHandle file = Register(CreateFile("a"));
  StageWrite(file, 0, 'x', 1);
  StageWrite(file, kBlock, 'x', 2);
  ASSERT_OK(io().Submit());
  ASSERT_OK(io().UnregisterFile(file));
  EXPECT_TRUE(NobodyElseHas(Open("a", OpenOptions::Access::kReadWrite)));
}

TEST_P(StorageIoContractTest, UnregisterWaitsForTheFilesOwnOperationsAndLosesNone) {
  const FileHandle leaving = Register(CreateFile("leaving"));
  const FileHandle staying = Register(CreateFile("staying"));
  for (uint32_t i = 0; i < 4; ++i) {
    StageWrite(leaving, i * kBlock, 'l', i);
    StageWrite(staying, i * kBlock, 's', 100 + i);
    if (i == 1) {
      ASSERT_OK(io().Submit());
    }
  }
  ASSERT_OK(io().UnregisterFile(leaving));
  EXPECT_EQ(Content("leaving"), std::string(4 * kBlock, 'l')) << "complete before it returned";
  EXPECT_EQ(io().in_flight(), 8u) << "completions stay to be polled";
  std::set<uint64_t> tags;
  for (const Completion& completion : WaitFor(8)) {
    EXPECT_EQ(completion.error, 0);
    tags.insert(completion.tag);
  }
  EXPECT_EQ(tags, (std::set<uint64_t>{0, 1, 2, 3, 100, 101, 102, 103}));
}

TEST_P(StorageIoContractTest, ReusedDescriptorNumberReachesTheNewFile) {
  OpenFile old_file = CreateFile("old");
  const int fd = old_file.fd();
  const FileHandle old_handle = Register(std::move(old_file));
  WriteAndWait(old_handle, 0, kBlock, 'o');
  ASSERT_OK(io().UnregisterFile(old_handle));
  OpenFile new_file = CreateFile("new");
  EXPECT_EQ(new_file.fd(), fd) << "the test wants the number to be reused";
  const FileHandle new_handle = Register(std::move(new_file));
  StageWrite(new_handle, 0, 'n', 1);
  StageWrite(new_handle, kBlock, 'n', 2);
  for (const Completion& completion : WaitFor(2)) EXPECT_EQ(completion.error, 0);
  EXPECT_EQ(Content("old"), std::string(kBlock, 'o'));
  EXPECT_EQ(Content("new"), std::string(2 * kBlock, 'n'));
}

TEST_P(StorageIoContractTest, RegisterAndUnregisterManyTimes) {
  const FileHandle staying = Register(CreateFile("staying"));
  FileHandle last;
  for (int i = 0; i < 500; ++i) {
    const FileHandle file = Register(Open("staying", OpenOptions::Access::kReadWrite));
    EXPECT_NE(file, last);
    last = file;
    ASSERT_OK(io().UnregisterFile(file));
  }
  WriteAndWait(staying, 0, kBlock, 's');
}

// ---- Buffers

TEST_P(StorageIoContractTest, BuffersAreAlignedAndOfTheSizeAskedFor) {
  BufferLease lease = Filled('x', io().buffer_bytes());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(lease.data()) % 4096, 0u);
  EXPECT_EQ(lease.size(), io().buffer_bytes());
  EXPECT_EQ(io().capabilities().buffer_bytes, io().buffer_bytes());
}

TEST_P(StorageIoContractTest, ExhaustedBuffersAreAnErrorUntilOneComesHome) {
  std::vector<BufferLease> leases;
  std::set<const std::byte*> addresses;
  for (uint32_t i = 0; i < options().buffers; ++i) {
    leases.push_back(Filled('x', 1));
    addresses.insert(leases.back().data());
  }
  EXPECT_EQ(addresses.size(), options().buffers);
  EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status()));
  EXPECT_EQ(io().stats().buffer_misses, 1u);
  leases.pop_back();
  EXPECT_OK(io().AcquireBuffer().status());
}

TEST_P(StorageIoContractTest, BufferInFlightIsNotLentBeforeItsCompletionIsPolled) {
  StorageIoOptions one = options();
  one.buffers = 1;
  Recreate(one);
  const FileHandle file = Register(CreateFile("a"));
  ASSERT_OK(WriteBlock(file, Filled('x', kBlock)).status());
  EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status())) << "staged";
  ASSERT_OK(io().Wait(1, kNever));
  EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status())) << "not polled";
  {
    const Completion polled = WaitForOne();
    EXPECT_TRUE(absl::IsResourceExhausted(io().AcquireBuffer().status())) << "polled, still held";
  }
  EXPECT_OK(io().AcquireBuffer().status());
}

TEST_P(StorageIoContractTest, PollReturnsLeasesStillHeldByItsArgument) {
  StorageIoOptions one = options();
  one.buffers = 1;
  Recreate(one);
  const FileHandle file = Register(CreateFile("a"));
  ASSERT_OK(WriteBlock(file, Filled('x', kBlock)).status());
  ASSERT_OK(io().Wait(1, kNever));
  Completion out[2];
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 1u);
  EXPECT_TRUE(out[0].buffer);
  EXPECT_EQ(io().Poll(absl::MakeSpan(out)), 0u);
  EXPECT_FALSE(out[0].buffer);
  EXPECT_OK(io().AcquireBuffer().status());
}

TEST_P(StorageIoContractTest, EmptyAndForeignLeasesAreRefused) {
  const FileHandle file = Register(CreateFile("a"));
  BufferLease empty;
  EXPECT_TRUE(absl::IsInvalidArgument(WriteBlock(file, std::move(empty)).status()));
  auto other = Create(options());
  ASSERT_OK(other.status());
  auto foreign = (*other)->AcquireBuffer();
  ASSERT_OK(foreign.status());
  EXPECT_TRUE(absl::IsInvalidArgument(WriteBlock(file, *std::move(foreign)).status()));
  EXPECT_TRUE(*foreign);
  EXPECT_EQ(io().in_flight(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoContractTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
