// The contract of StorageIo (io_backend/CONTRACT.md) where a transfer is more than one whole buffer
// to one place: parts of buffers, several buffers in one write, and reads whose buffer the storage
// or the kernel chooses. On every backend and setting.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

class StorageIoTransferTest : public StorageIoTest {
 protected:
  WritePiece Piece(char fill, uint32_t offset, uint32_t length) {
    WritePiece piece{
        .buffer = Filled('-', io().buffer_bytes()), .offset = offset, .length = length};
    std::memset(piece.buffer.data() + offset, fill, length);
    return piece;
  }
  std::vector<WritePiece> ThreePieces() {
    std::vector<WritePiece> pieces;
    pieces.push_back(Piece('a', 0, kBlock));
    pieces.push_back(Piece('b', 2 * kBlock, 3 * kBlock));
    pieces.push_back(Piece('c', kBlock, 2 * kBlock));
    return pieces;
  }
  static std::string ThreePiecesContent() {
    return std::string(kBlock, 'a') + std::string(3 * kBlock, 'b') + std::string(2 * kBlock, 'c');
  }
  uint32_t FreeBuffers() {
    std::vector<BufferLease> leases;
    for (auto lease = io().AcquireBuffer(); lease.ok(); lease = io().AcquireBuffer()) {
      leases.push_back(*std::move(lease));
    }
    return static_cast<uint32_t>(leases.size());
  }
};

// ---- Parts of a buffer

TEST_P(StorageIoTransferTest, PartOfABufferIsWrittenAndReadInto) {
  const FileHandle file = Register(CreateFile("a"));
  for (const bool submitted : {false, true}) {
    WritePiece piece = Piece('p', 3 * kBlock, kBlock);
    ASSERT_OK(io().Write({.file = file, .length = kBlock, .buffer_offset = 3 * kBlock},
                         std::move(piece.buffer))
                  .status());
    if (submitted) {
      ASSERT_OK(io().Submit());
    }
    EXPECT_EQ(WaitForOne().error, 0);
    EXPECT_EQ(Content("a"), std::string(kBlock, 'p'));
    ASSERT_OK(io().Read({.file = file, .length = kBlock, .buffer_offset = 5 * kBlock},
                        Filled('-', io().buffer_bytes()))
                  .status());
    if (submitted) {
      ASSERT_OK(io().Submit());
    }
    const Completion read = WaitForOne();
    ASSERT_EQ(read.bytes, kBlock);
    const std::string all(reinterpret_cast<const char*>(read.buffer.data()), read.buffer.size());
    EXPECT_EQ(all.find_first_of('p'), 5u * kBlock);
    EXPECT_EQ(all.find_last_of('p'), 6u * kBlock - 1) << "the rest is as it was";
  }
}

TEST_P(StorageIoTransferTest, PartBeyondTheBufferIsRefused) {
  const FileHandle file = Register(CreateFile("a"));
  for (const uint32_t offset :
       {io().buffer_bytes(), io().buffer_bytes() - kBlock / 2, UINT32_MAX}) {
    BufferLease lease = Filled('x', kBlock);
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Write({.file = file, .length = kBlock, .buffer_offset = offset}, std::move(lease))
            .status()));
    EXPECT_TRUE(lease);
    EXPECT_TRUE(absl::IsInvalidArgument(
        io().Read({.file = file, .length = kBlock, .buffer_offset = offset}, std::move(lease))
            .status()));
    EXPECT_TRUE(lease);
  }
  const auto odd =
      io().Write({.file = file, .length = kBlock, .buffer_offset = 100}, Filled('x', 2 * kBlock));
  EXPECT_EQ(absl::IsInvalidArgument(odd.status()), GetParam().direct == DirectMode::kOn);
}

// ---- Several buffers in one write

TEST_P(StorageIoTransferTest, SeveralBuffersAreOneWriteAndComeBackInOrder) {
  const FileHandle file = Register(CreateFile("a"));
  for (const bool submitted : {false, true}) {
    std::vector<WritePiece> pieces = ThreePieces();
    const auto token = io().WriteGather({.file = file, .offset = FileOffset(kBlock), .tag = 9},
                                        absl::MakeSpan(pieces));
    ASSERT_OK(token.status());
    for (const WritePiece& piece : pieces) EXPECT_FALSE(piece.buffer) << "it was handed over";
    if (submitted) {
      ASSERT_OK(io().Submit());
    }
    Completion written = WaitForOne();
    EXPECT_EQ(written.error, 0);
    EXPECT_EQ(written.bytes, 6 * kBlock);
    EXPECT_EQ(written.tag, 9u);
    EXPECT_EQ(written.kind, OpKind::kWrite);
    EXPECT_EQ(written.token, *token);
    BufferLease second = written.buffer.TakeNext();
    BufferLease third = second.TakeNext();
    EXPECT_FALSE(third.TakeNext());
    EXPECT_EQ(written.buffer.data()[0], std::byte{'a'});
    EXPECT_EQ(second.data()[2 * kBlock], std::byte{'b'});
    EXPECT_EQ(third.data()[kBlock], std::byte{'c'});
    EXPECT_EQ(Content("a").substr(kBlock), ThreePiecesContent());
  }
  EXPECT_EQ(io().stats().writes, 2u);
  EXPECT_EQ(FreeBuffers(), options().buffers);
}

TEST_P(StorageIoTransferTest, GatheredBuffersAreNotLentBeforeTheirCompletionIsPolled) {
  StorageIoOptions three = options();
  three.buffers = 3;
  Recreate(three);
  const FileHandle file = Register(CreateFile("a"));
  std::vector<WritePiece> pieces = ThreePieces();
  ASSERT_OK(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).status());
  EXPECT_EQ(FreeBuffers(), 0u) << "staged";
  ASSERT_OK(io().Wait(1, kNever));
  EXPECT_EQ(FreeBuffers(), 0u) << "not polled";
  {
    const Completion polled = WaitForOne();
    EXPECT_EQ(FreeBuffers(), 0u) << "polled, still held";
  }
  EXPECT_EQ(FreeBuffers(), 3u) << "dropping the first drops those that hang on it";
}

TEST_P(StorageIoTransferTest, SixteenBuffersAreTheMost) {
  StorageIoOptions many = options();
  many.buffers = kWritePiecesMax + 1;
  Recreate(many);
  const FileHandle file = Register(CreateFile("a"));
  std::vector<WritePiece> pieces;
  EXPECT_TRUE(
      absl::IsInvalidArgument(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).status()));
  std::string content;
  for (size_t i = 0; i <= kWritePiecesMax; ++i) {
    pieces.push_back(Piece(static_cast<char>('a' + i), 0, kBlock));
    if (i < kWritePiecesMax) content.append(kBlock, static_cast<char>('a' + i));
  }
  EXPECT_TRUE(
      absl::IsInvalidArgument(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).status()));
  for (const WritePiece& piece : pieces) EXPECT_TRUE(piece.buffer);
  pieces.pop_back();
  const GatherOp dsync = {.file = file, .mode = WriteMode::kDsync};
  ASSERT_OK(io().WriteGather(dsync, absl::MakeSpan(pieces)).status());
  EXPECT_EQ(WaitForOne().bytes, kWritePiecesMax * kBlock);
  EXPECT_EQ(io().stats().syncs, 1u);
  EXPECT_EQ(Content("a"), content);
}

TEST_P(StorageIoTransferTest, RefusedGatherLeavesEveryLeaseWithTheCaller) {
  const FileHandle file = Register(CreateFile("a"));
  const auto refused = [&](std::vector<WritePiece> pieces, uint64_t offset) {
    std::vector<bool> held;
    for (const WritePiece& piece : pieces) held.push_back(static_cast<bool>(piece.buffer));
    const absl::Status status =
        io().WriteGather({.file = file, .offset = FileOffset(offset)}, absl::MakeSpan(pieces))
            .status();
    for (size_t i = 0; i < pieces.size(); ++i) {
      EXPECT_EQ(static_cast<bool>(pieces[i].buffer), held[i]) << i;
    }
    return absl::IsInvalidArgument(status);
  };
  std::vector<WritePiece> pieces = ThreePieces();
  pieces[2].length = 0;
  EXPECT_TRUE(refused(std::move(pieces), 0)) << "no length";
  pieces = ThreePieces();
  pieces[1].offset = io().buffer_bytes();
  EXPECT_TRUE(refused(std::move(pieces), 0)) << "beyond its buffer";
  pieces = ThreePieces();
  pieces[1].buffer.Return();
  EXPECT_TRUE(refused(std::move(pieces), 0)) << "an empty lease";
  for (const uint64_t offset : {UINT64_MAX, uint64_t{INT64_MAX} - kBlock}) {
    EXPECT_TRUE(refused(ThreePieces(), offset)) << offset;
  }
  EXPECT_EQ(io().in_flight(), 0u);
  EXPECT_EQ(FreeBuffers(), options().buffers);
}

TEST_P(StorageIoTransferTest, CancelledGatherBringsAllBuffersBack) {
  const FileHandle file = Register(CreateFile("a"));
  std::vector<WritePiece> pieces = ThreePieces();
  const auto token = io().WriteGather({.file = file}, absl::MakeSpan(pieces));
  ASSERT_OK(token.status());
  ASSERT_OK(io().Cancel(*token));
  EXPECT_EQ(WaitForOne().error, ECANCELED);
  EXPECT_EQ(FreeBuffers(), options().buffers);
  EXPECT_EQ(FileSize("a"), 0u);
}

TEST_P(StorageIoTransferTest, DroppedWithTheStorageAllBuffersAreTakenBack) {
  const FileHandle file = Register(CreateFile("a"));
  for (const bool submitted : {true, false}) {
    std::vector<WritePiece> pieces = ThreePieces();
    ASSERT_OK(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).status());
    if (submitted) {
      ASSERT_OK(io().Submit());
    }
  }
  DestroyStorage();  // CHECKs that none is missing
  EXPECT_EQ(Content("a"), ThreePiecesContent()) << "of the submitted one";
}

// A pipe takes 64 KiB at once: the ring is told of a short write, and the rest goes on inside the
// second and the third buffer.
TEST_P(StorageIoTransferTest, ShortGatherGoesOnWhereItStopped) {
  if (!GetParam().uring()) return;  // pwritev2 has no offset in a pipe
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const FileHandle file = Register(OpenFile(&FileSystem::Host(), ends[1], "pipe", {}));
  const uint32_t whole = io().buffer_bytes();
  std::vector<WritePiece> pieces;
  pieces.push_back(Piece('a', 0, 100));
  pieces.push_back(Piece('b', 17, whole - 17));
  pieces.push_back(Piece('c', 0, whole));
  const std::string expected =
      std::string(100, 'a') + std::string(whole - 17, 'b') + std::string(whole, 'c');
  std::string received;
  std::thread reader([&] {
    char chunk[8192];
    while (received.size() < expected.size()) {
      const ssize_t n = read(ends[0], chunk, sizeof(chunk));
      if (n <= 0) break;
      received.append(chunk, static_cast<size_t>(n));
    }
  });
  EXPECT_OK(io().WriteGather({.file = file}, absl::MakeSpan(pieces)).status());
  EXPECT_OK(io().Submit());  // not a lone system call
  const Completion written = WaitForOne();
  EXPECT_EQ(written.error, 0);
  EXPECT_EQ(written.bytes, expected.size());
  EXPECT_OK(io().UnregisterFile(file));
  reader.join();
  close(ends[0]);
  EXPECT_TRUE(received == expected);
  EXPECT_GT(io().stats().short_transfers, 0u) << "else this test shows nothing";
}

// ---- Reads that bring a buffer

TEST_P(StorageIoTransferTest, ReadAnyBringsABufferWithTheCompletion) {
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 4; ++i)
    WriteAndWait(file, i * kBlock, kBlock, static_cast<char>('a' + i));
  // More often than there are buffers.
  for (uint32_t i = 0; i < 4 * (options().buffers + options().ring_buffers); ++i) {
    const uint32_t block = i % 4;
    ASSERT_OK(
        io().ReadAny(
                {.file = file, .offset = FileOffset(block * kBlock), .length = kBlock, .tag = i})
            .status());
    if (i % 3 == 0) {
      ASSERT_OK(io().Submit());
    }
    const Completion read = WaitForOne();
    ASSERT_EQ(read.error, 0) << strerror(read.error);
    EXPECT_EQ(read.bytes, kBlock);
    EXPECT_EQ(read.tag, i);
    EXPECT_EQ(read.kind, OpKind::kRead);
    ASSERT_TRUE(read.buffer);
    EXPECT_EQ(read.buffer.size(), io().buffer_bytes());
    EXPECT_TRUE(AllBytesAre(read.buffer, static_cast<char>('a' + block), kBlock));
  }
  EXPECT_EQ(FreeBuffers(), options().buffers);
  EXPECT_EQ(io().stats().ring_misses, 0u);
}

TEST_P(StorageIoTransferTest, BufferThatAReadBroughtCanBeWritten) {
  const FileHandle file = Register(CreateFile("a"));
  const FileHandle copy = Register(CreateFile("b"));
  WriteAndWait(file, 0, 2 * kBlock, 'z');
  ASSERT_OK(io().ReadAny({.file = file, .length = 2 * kBlock}).status());
  Completion read = WaitForOne();
  ASSERT_EQ(read.bytes, 2 * kBlock);
  ASSERT_OK(io().Write({.file = copy, .length = kBlock}, std::move(read.buffer)).status());
  ASSERT_OK(io().Submit());
  EXPECT_EQ(WaitForOne().error, 0);
  EXPECT_EQ(Content("b"), std::string(kBlock, 'z'));
}

TEST_P(StorageIoTransferTest, ReadAnyAtTheEndOfTheFileIsShort) {
  FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, 2 * kBlock, 'x');
  ASSERT_OK(io().UnregisterFile(file));
  ASSERT_OK(files().Resize(Path("a"), kBlock + 100));
  file = Register(Open("a", OpenOptions::Access::kRead));
  ASSERT_OK(io().ReadAny({.file = file, .length = 4 * kBlock}).status());
  {
    const Completion read = WaitForOne();
    EXPECT_EQ(read.error, 0);
    ASSERT_EQ(read.bytes, kBlock + 100);
    EXPECT_TRUE(AllBytesAre(read.buffer, 'x', kBlock + 100));
  }
  // Beyond it, more often than there are buffers: none is lost.
  for (uint32_t i = 0; i < 3 * (options().buffers + options().ring_buffers); ++i) {
    ASSERT_OK(
        io().ReadAny({.file = file, .offset = FileOffset(8 * kBlock), .length = kBlock}).status());
    const Completion read = WaitForOne();
    ASSERT_EQ(read.error, 0) << strerror(read.error);
    EXPECT_EQ(read.bytes, 0u);
  }
}

TEST_P(StorageIoTransferTest, ReadAnyThatIsRefusedTakesNoBuffer) {
  const FileHandle file = Register(CreateFile("a"));
  for (const ReadOp& op :
       {ReadOp{.file = file, .length = 0}, ReadOp{.file = file, .length = UINT32_MAX},
        ReadOp{.file = {}, .length = kBlock},
        ReadOp{.file = file, .length = kBlock, .buffer_offset = kBlock},
        ReadOp{.file = file, .offset = FileOffset(UINT64_MAX), .length = kBlock}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(io().ReadAny(op).status()));
  }
  EXPECT_EQ(FreeBuffers(), options().buffers);
  EXPECT_EQ(io().in_flight(), 0u);
}

TEST_P(StorageIoTransferTest, FailedReadAnyKeepsNoBuffer) {
  auto directory = files().OpenDirectory(Path(""));
  ASSERT_OK(directory.status());
  if (GetParam().sim) return;  // its directories are not read
  const FileHandle handle = Register(*std::move(directory));
  for (uint32_t i = 0; i < 3 * (options().buffers + options().ring_buffers); ++i) {
    ASSERT_OK(io().ReadAny({.file = handle, .length = kBlock}).status());
    ASSERT_OK(io().Submit());
    EXPECT_EQ(WaitForOne().error, EISDIR);
  }
  EXPECT_EQ(FreeBuffers(), options().buffers);
}

// ---- Reads whose buffer the kernel picks

class StorageIoRingReadTest : public StorageIoTransferTest {
 protected:
  void SetUp() override {
    StorageIoTransferTest::SetUp();
    if (IsSkipped() || HasFailure()) return;
    if (io().capabilities().ring_buffers == 0) {
      GTEST_SKIP() << io().capabilities().fallback_reasons.back();
    }
  }
};

TEST_P(StorageIoRingReadTest, ReadsBeyondTheRingTakeBuffersOfThePoolThenFail) {
  StorageIoOptions few = options();
  few.buffers = 2;
  few.ring_buffers = 4;
  Recreate(few);
  const FileHandle file = Register(CreateFile("a"));
  for (uint32_t i = 0; i < 8; ++i)
    WriteAndWait(file, i * kBlock, kBlock, static_cast<char>('a' + i));
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_OK(
        io().ReadAny({.file = file, .offset = FileOffset(i * kBlock), .length = kBlock, .tag = i})
            .status())
        << "it needs no buffer yet";
  }
  std::vector<Completion> done = WaitFor(8);
  uint32_t without = 0;
  for (const Completion& read : done) {
    if (read.error == ENOBUFS) {
      ++without;
      EXPECT_FALSE(read.buffer);
      continue;
    }
    ASSERT_EQ(read.error, 0) << strerror(read.error);
    EXPECT_TRUE(AllBytesAre(read.buffer, static_cast<char>('a' + read.tag), kBlock)) << read.tag;
  }
  EXPECT_EQ(without, 2u);
  EXPECT_EQ(io().stats().ring_misses, 2u);
  EXPECT_EQ(FreeBuffers(), 0u);
  done.clear();
  EXPECT_EQ(FreeBuffers(), 2u);
  ASSERT_OK(io().ReadAny({.file = file, .length = kBlock}).status());
  EXPECT_EQ(WaitForOne().error, 0) << "the ring has its buffers back";
  EXPECT_EQ(io().stats().ring_misses, 2u);
}

TEST_P(StorageIoRingReadTest, NoGroupLeftIsToldAndThePoolIsUsed) {
  BufferGroupIds one(1);
  const BufferGroupLease taken = *one.Lease();
  UringTuning tuning = GetParam().tuning;
  tuning.group_ids = &one;
  const auto created = UringStorageIo::Create(options(), tuning);
  ASSERT_OK(created.status());
  EXPECT_EQ((*created)->capabilities().ring_buffers, 0u);
  EXPECT_THAT((*created)->capabilities().fallback_reasons,
              testing::Contains(testing::HasSubstr("ReadAny takes buffers of the pool")));
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, kBlock, 'q');
  OpenFile again = Open("a", OpenOptions::Access::kRead);
  const auto handle = (*created)->RegisterFile(again);
  ASSERT_OK(handle.status());
  ASSERT_OK((*created)->ReadAny({.file = *handle, .length = kBlock}).status());
  ASSERT_OK((*created)->Wait(1, kNever));
  Completion done[1];
  ASSERT_EQ((*created)->Poll(absl::MakeSpan(done)), 1u);
  EXPECT_EQ(done[0].error, 0);
  EXPECT_TRUE(AllBytesAre(done[0].buffer, 'q', kBlock));
}

TEST_P(StorageIoRingReadTest, DestroyedWithReadsInFlightItTakesItsBuffersBack) {
  const FileHandle file = Register(CreateFile("a"));
  WriteAndWait(file, 0, kBlock, 'x');
  for (uint32_t i = 0; i < options().ring_buffers + 2; ++i) {
    ASSERT_OK(io().ReadAny({.file = file, .length = kBlock}).status());
  }
  ASSERT_OK(io().Submit());
  DestroyStorage();  // CHECKs that none is missing
}

std::vector<StorageIoSetting> RingReadSettings() {
  std::vector<StorageIoSetting> settings;
  for (const StorageIoSetting& setting : AllSettings()) {
    if (setting.options.read_buffers == ReadBuffers::kRing) settings.push_back(setting);
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(Backends, StorageIoTransferTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);
INSTANTIATE_TEST_SUITE_P(Backends, StorageIoRingReadTest, testing::ValuesIn(RingReadSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
