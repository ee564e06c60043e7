// What stands on top of StorageIo: WriteCopy, FileAppender, ReadCopy, ReadShared, SharedBytes. On
// every backend and setting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io_backend/file_appender.h"
#include "io_backend/file_read.h"
#include "io_backend/write_copy.h"
#include "tests/io_backend/storage_io_fixture.h"

namespace corewal {
namespace {

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string Text(const SharedBytes& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// So that every position differs from its neighbours.
std::string Pattern(size_t bytes) {
  std::string pattern;
  while (pattern.size() < bytes) absl::StrAppend(&pattern, pattern.size(), " ");
  pattern.resize(bytes);
  return pattern;
}

class FileConvenienceTest : public StorageIoTest {
 protected:
  // A file of `bytes` bytes, be it in the middle of a block, opened for reading.
  FileHandle FileOf(const std::string& name, const std::string& content) {
    const FileHandle file = Register(CreateFile(name));
    std::string whole = content;
    whole.resize((content.size() + kBlock - 1) / kBlock * kBlock);
    for (size_t done = 0; done < whole.size(); done += io().buffer_bytes()) {
      const auto staged = WriteCopy(
          io(), {.file = file, .offset = FileOffset(done)},
          Bytes(whole).subspan(done, std::min<size_t>(io().buffer_bytes(), whole.size() - done)));
      EXPECT_OK(staged.status());
      EXPECT_EQ(WaitForOne().error, 0);
    }
    EXPECT_OK(io().UnregisterFile(file));
    EXPECT_OK(files().Resize(Path(name), content.size()));
    return Register(Open(name, OpenOptions::Access::kReadWrite));
  }
};

// ---- WriteCopy

TEST_P(FileConvenienceTest, CopyingWriteTakesAsManyBuffersAsItNeeds) {
  const FileHandle file = Register(CreateFile("a"));
  for (const size_t length :
       {size_t{kBlock}, size_t{io().buffer_bytes()}, size_t{3} * io().buffer_bytes() + kBlock}) {
    std::string content = Pattern(length);
    ASSERT_OK(WriteCopy(io(), {.file = file, .tag = 4}, Bytes(content)).status());
    std::fill(content.begin(), content.end(), '-');  // it may be reused at once
    const Completion written = WaitForOne();
    EXPECT_EQ(written.error, 0);
    EXPECT_EQ(written.bytes, length);
    EXPECT_EQ(written.tag, 4u);
    EXPECT_EQ(Content("a"), Pattern(length));
  }
}

TEST_P(FileConvenienceTest, CopyingWriteWithoutBuffersKeepsNone) {
  const FileHandle file = Register(CreateFile("a"));
  const std::string too_much = Pattern(size_t{options().buffers + 1} * io().buffer_bytes());
  EXPECT_TRUE(absl::IsResourceExhausted(WriteCopy(io(), {.file = file}, Bytes(too_much)).status()));
  EXPECT_EQ(io().stats().buffers_acquired, io().stats().buffers_returned);
  EXPECT_TRUE(absl::IsInvalidArgument(WriteCopy(io(), {.file = file}, {}).status()));
  const std::string far_too_much = Pattern((kWritePiecesMax + 1) * io().buffer_bytes());
  EXPECT_TRUE(
      absl::IsInvalidArgument(WriteCopy(io(), {.file = file}, Bytes(far_too_much)).status()));
  EXPECT_EQ(io().in_flight(), 0u);
}

// ---- FileAppender

TEST_P(FileConvenienceTest, AppendsLandOneBehindTheOtherWhateverTheOrderOfTheirCompletions) {
  const FileHandle file = FileOf("a", std::string(kBlock, 'z'));
  FileAppender appender(io(), file, FileOffset(kBlock));
  std::string expected(kBlock, 'z');
  for (int i = 0; i < 4; ++i) {
    const char fill = static_cast<char>('a' + i);
    ASSERT_OK(appender.Append({.length = kBlock}, Filled(fill, kBlock)).status());
    expected.append(kBlock, fill);
  }
  std::vector<WritePiece> pieces(2);
  for (WritePiece& piece : pieces) piece = {.buffer = Filled('g', kBlock), .length = kBlock};
  ASSERT_OK(appender.AppendGather(WriteMode::kPlain, 1, absl::MakeSpan(pieces)).status());
  ASSERT_OK(appender.AppendCopy(WriteMode::kDsync, 2, Bytes(std::string(kBlock, 'h'))).status());
  expected += std::string(2 * kBlock, 'g') + std::string(kBlock, 'h');
  EXPECT_EQ(appender.end(), FileOffset(expected.size()));
  EXPECT_EQ(appender.written_end(), FileOffset(kBlock));
  EXPECT_EQ(appender.in_flight(), 6u);
  std::vector<Completion> done = WaitFor(6);
  std::reverse(done.begin(), done.end());
  for (const Completion& completion : done) {
    EXPECT_TRUE(appender.Take(completion));
    EXPECT_FALSE(appender.Take(completion)) << "twice";
  }
  EXPECT_EQ(appender.written_end(), appender.end());
  EXPECT_EQ(appender.in_flight(), 0u);
  EXPECT_OK(appender.status());
  EXPECT_EQ(Content("a"), expected);
}

TEST_P(FileConvenienceTest, WrittenEndIsThatOfTheContiguousAppends) {
  const FileHandle file = Register(CreateFile("a"));
  FileAppender appender(io(), file, FileOffset(0));
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_OK(appender.Append({.length = kBlock, .tag = i}, Filled('x', kBlock)).status());
  }
  std::vector<Completion> done = WaitFor(3);
  std::sort(done.begin(), done.end(),
            [](const Completion& a, const Completion& b) { return a.tag < b.tag; });
  EXPECT_TRUE(appender.Take(done[2]));
  EXPECT_TRUE(appender.Take(done[1]));
  EXPECT_EQ(appender.written_end(), FileOffset(0));
  EXPECT_TRUE(appender.Take(done[0]));
  EXPECT_EQ(appender.written_end(), FileOffset(3 * kBlock));
  Completion foreign;
  EXPECT_FALSE(appender.Take(foreign));
}

TEST_P(FileConvenienceTest, FailedAppendIsFinalAndNamesItsPlace) {
  { const OpenFile created = CreateFile("a"); }
  const FileHandle file = Register(Open("a", OpenOptions::Access::kRead));  // so that it fails
  FileAppender appender(io(), file, FileOffset(kBlock));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(appender.Append({.length = kBlock}, Filled('x', kBlock)).status());
  }
  for (const Completion& completion : WaitFor(2)) EXPECT_TRUE(appender.Take(completion));
  EXPECT_EQ(appender.in_flight(), 0u);
  EXPECT_EQ(appender.written_end(), FileOffset(kBlock));
  EXPECT_FALSE(appender.status().ok());
  EXPECT_THAT(std::string(appender.status().message()), testing::HasSubstr("offset 4096"));
  EXPECT_EQ(appender.Append({.length = kBlock}, Filled('x', kBlock)).status(), appender.status());
  EXPECT_EQ(io().in_flight(), 0u);
}

TEST_P(FileConvenienceTest, RefusedAppendLeavesTheEndWhereItWas) {
  const FileHandle file = Register(CreateFile("a"));
  FileAppender appender(io(), file, FileOffset(0));
  BufferLease lease = Filled('x', kBlock);
  EXPECT_TRUE(absl::IsInvalidArgument(appender.Append({.length = 0}, std::move(lease)).status()));
  EXPECT_TRUE(lease);
  EXPECT_EQ(appender.end(), FileOffset(0));
  EXPECT_EQ(appender.in_flight(), 0u);
  ASSERT_OK(appender.Append({.length = kBlock}, std::move(lease)).status());
  EXPECT_TRUE(appender.Take(WaitForOne()));
  EXPECT_EQ(FileSize("a"), kBlock);
}

// ---- ReadCopy and ReadShared

TEST_P(FileConvenienceTest, AnyRangeIsReadAndEndsWhereTheFileDoes) {
  // More than all buffers hold, and it ends inside a block.
  const size_t size = size_t{options().buffers + 2} * io().buffer_bytes() + 1234;
  const std::string content = Pattern(size);
  const FileHandle file = FileOf("a", content);
  const struct {
    uint64_t offset, length;
  } kRanges[] = {
      {0, size},   {0, 0},        {1, 1},          {kBlock - 1, 2}, {100, 5000},
      {777, size}, {size - 1, 1}, {size - 1, 100}, {size, 10},      {size + 5 * kBlock, kBlock}};
  for (const auto& range : kRanges) {
    const auto read = ReadCopy(io(), {file, FileOffset(range.offset), range.length});
    ASSERT_OK(read.status());
    const std::string expected =
        range.offset < size ? content.substr(range.offset, range.length) : std::string();
    EXPECT_TRUE(*read == expected) << range.offset << " " << range.length << " " << read->size();
  }
  EXPECT_EQ(io().stats().buffers_acquired, io().stats().buffers_returned);
}

TEST_P(FileConvenienceTest, SharedReadKeepsItsBufferUntilTheLastReferenceIsGone) {
  const std::string content = Pattern(3 * kBlock - 100);
  const FileHandle file = FileOf("a", content);
  const uint64_t returned = io().stats().buffers_returned;
  SharedBytes rest;
  {
    const auto read = ReadShared(io(), {file, FileOffset(500), 2 * kBlock});
    ASSERT_OK(read.status());
    EXPECT_EQ(Text(*read), content.substr(500, 2 * kBlock));
    std::vector<SharedBytes> copies(100, *read);
    SharedBytes& part = copies[50];
    part = part.Slice(kBlock, 100);
    EXPECT_EQ(Text(part), content.substr(500 + kBlock, 100));
    EXPECT_EQ(part.data(), read->data() + kBlock) << "no copy";
    rest = std::move(part);
    EXPECT_EQ(io().stats().buffers_returned, returned);
  }
  EXPECT_EQ(io().stats().buffers_returned, returned) << "one is left";
  // All others are overwritten; this one is not.
  std::vector<BufferLease> leases;
  for (auto lease = io().AcquireBuffer(); lease.ok(); lease = io().AcquireBuffer()) {
    std::memset(lease->data(), '-', io().buffer_bytes());
    leases.push_back(*std::move(lease));
  }
  EXPECT_EQ(Text(rest), content.substr(500 + kBlock, 100));
  rest = SharedBytes();
  EXPECT_EQ(io().stats().buffers_returned, returned + 1);
}

TEST_P(FileConvenienceTest, SharedReadEndsWhereTheFileDoes) {
  const std::string content = Pattern(kBlock + 100);
  const FileHandle file = FileOf("a", content);
  EXPECT_EQ(Text(*ReadShared(io(), {file, FileOffset(kBlock + 90), 500})),
            content.substr(kBlock + 90));
  EXPECT_TRUE(ReadShared(io(), {file, FileOffset(kBlock + 100), 500})->empty());
  EXPECT_TRUE(ReadShared(io(), {file, FileOffset(9 * kBlock), 500})->empty());
  EXPECT_TRUE(ReadShared(io(), {file, FileOffset(0), 0})->empty());
  EXPECT_TRUE(absl::IsInvalidArgument(
      ReadShared(io(), {file, FileOffset(1), io().buffer_bytes()}).status()));
  EXPECT_EQ(io().stats().buffers_acquired, io().stats().buffers_returned);
}

TEST_P(FileConvenienceTest, BlockingReadsSwallowNobodyElsesCompletions) {
  const FileHandle file = FileOf("a", Pattern(kBlock));
  StageWrite(file, 0, 'x', 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadCopy(io(), {file, FileOffset(0), 10}).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadShared(io(), {file, FileOffset(0), 10}).status()));
  EXPECT_EQ(WaitForOne().tag, 1u);
  EXPECT_OK(ReadCopy(io(), {file, FileOffset(0), 10}).status());
  EXPECT_TRUE(absl::IsInvalidArgument(ReadCopy(io(), {FileHandle(), FileOffset(0), 10}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadCopy(io(), {file, FileOffset(UINT64_MAX), 10}).status()));
}

TEST_P(FileConvenienceTest, FailedReadNamesItsPlace) {
  auto directory = files().OpenDirectory(Path(""));
  ASSERT_OK(directory.status());
  if (GetParam().sim) return;  // its directories are not read
  const FileHandle file = Register(*std::move(directory));
  for (const absl::Status& status : {ReadCopy(io(), {file, FileOffset(0), 3 * kBlock}).status(),
                                     ReadShared(io(), {file, FileOffset(0), 10}).status()}) {
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("EISDIR"));
  }
  EXPECT_EQ(io().in_flight(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, FileConvenienceTest, testing::ValuesIn(AllAndSimSettings()),
                         SettingName);

}  // namespace
}  // namespace corewal
