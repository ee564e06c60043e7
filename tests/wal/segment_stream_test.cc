#include "wal/segment_stream.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "io_backend/storage_io_factory.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

constexpr uint32_t kChunk = 16 << 10;
constexpr uint32_t kChunks = 4;

class SegmentStreamTest : public testing::TestWithParam<IoBackend> {
 protected:
  void SetUp() override {
    auto io = CreateStorageIo({.backend = GetParam(), .buffers = kChunks, .buffer_bytes = kChunk});
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
    ASSERT_TRUE(io.ok()) << io.status();
    io_ = *std::move(io);
    auto stream = SegmentStream::Create(FileSystem::Host(), *io_, kChunks, DirectMode::kAuto);
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }
  void TearDown() override {
    if (stream_ == nullptr) return;
    stream_.reset();
    EXPECT_EQ(io_->in_flight(), 0u);
    for (uint32_t i = 0; i < kChunks; ++i) EXPECT_TRUE(io_->AcquireBuffer().ok());
  }

  // Each block holds its own place, so that a byte of another place or file shows.
  static std::string Content(char name, uint64_t bytes) {
    std::string content;
    while (content.size() < bytes) {
      content += name + std::to_string(content.size());
      content.resize(std::min(bytes, (content.size() + 63) / 64 * 64), '.');
    }
    return content;
  }
  std::string Path(char name) const { return directory_.path() + "/" + name; }
  void Write(char name, uint64_t bytes) {
    std::ofstream(Path(name), std::ios::binary) << Content(name, bytes);
  }
  // From `offset` to the end, in views of `step` bytes.
  std::string Rest(uint64_t offset, uint32_t step) {
    std::string all;
    for (;;) {
      const auto view = stream_->View(offset + all.size(), step);
      EXPECT_TRUE(view.ok()) << view.status();
      if (!view.ok() || view->empty()) return all;
      all.append(reinterpret_cast<const char*>(view->data()), view->size());
    }
  }

  TempDirectory directory_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<SegmentStream> stream_;
};

INSTANTIATE_TEST_SUITE_P(Backends, SegmentStreamTest,
                         testing::Values(IoBackend::kPosix, IoBackend::kUring),
                         [](const auto& info) {
                           return info.param == IoBackend::kPosix ? "Posix" : "Uring";
                         });

TEST_P(SegmentStreamTest, ViewsAreTheFilesBytesHoweverTheyLieInChunks) {
  Write('a', 10 * kChunk + 4096);
  for (const uint32_t step : {4096u, kChunk, kChunk + 4096, 3 * kChunk, 777u}) {
    ASSERT_TRUE(stream_->Open(Path('a'), 4096, UINT64_MAX).ok());
    EXPECT_EQ(Rest(4096, step), Content('a', 10 * kChunk + 4096).substr(4096)) << step;
  }
}

TEST_P(SegmentStreamTest, ReadsOnInTheExpectedFile) {
  Write('a', 6 * kChunk);
  Write('b', 6 * kChunk);
  ASSERT_TRUE(stream_->Open(Path('a'), 0, UINT64_MAX).ok());
  stream_->Expect(Path('b'), UINT64_MAX);
  EXPECT_EQ(Rest(0, kChunk), Content('a', 6 * kChunk));
  EXPECT_EQ(io_->stats().submitted, 6 + kChunks);
  ASSERT_TRUE(stream_->Open(Path('b'), 0, UINT64_MAX).ok());
  EXPECT_EQ(stream_->path(), Path('b'));
  EXPECT_EQ(Rest(0, kChunk + 4096), Content('b', 6 * kChunk));
  EXPECT_EQ(io_->stats().submitted, 12u) << "something was read twice";
}

TEST_P(SegmentStreamTest, AnotherFileThanTheExpectedOneMayComeNext) {
  Write('a', 2 * kChunk);
  Write('b', 6 * kChunk);
  Write('c', 6 * kChunk);
  for (const uint64_t offset : {0u, 8192u}) {  // of the expected file, but not from its beginning
    ASSERT_TRUE(stream_->Open(Path('a'), 0, UINT64_MAX).ok());
    stream_->Expect(Path('b'), UINT64_MAX);
    EXPECT_EQ(Rest(0, 4096), Content('a', 2 * kChunk));
    const char next = offset == 0 ? 'c' : 'b';
    ASSERT_TRUE(stream_->Open(Path(next), offset, UINT64_MAX).ok());
    EXPECT_EQ(Rest(offset, kChunk), Content(next, 6 * kChunk).substr(offset));
  }
  // Another end of the same file.
  ASSERT_TRUE(stream_->Open(Path('a'), 0, UINT64_MAX).ok());
  stream_->Expect(Path('b'), UINT64_MAX);
  EXPECT_EQ(Rest(0, 4096), Content('a', 2 * kChunk));
  ASSERT_TRUE(stream_->Open(Path('b'), 0, 4096).ok());
  EXPECT_EQ(Rest(0, kChunk), Content('b', 4096));
}

TEST_P(SegmentStreamTest, RestartForgetsWhatWasReadOfTheExpectedFile) {
  Write('a', 2 * kChunk);
  Write('b', 2 * kChunk);
  ASSERT_TRUE(stream_->Open(Path('a'), 0, UINT64_MAX).ok());
  stream_->Expect(Path('b'), UINT64_MAX);
  EXPECT_EQ(Rest(0, 4096), Content('a', 2 * kChunk));
  std::filesystem::resize_file(Path('b'), 0);
  Write('b', 3 * kChunk);
  ASSERT_TRUE(stream_->Restart(4096, UINT64_MAX).ok());
  EXPECT_EQ(Rest(4096, 4096), Content('a', 2 * kChunk).substr(4096));
  ASSERT_TRUE(stream_->Open(Path('b'), 0, UINT64_MAX).ok());
  EXPECT_EQ(Rest(0, 4096), Content('b', 3 * kChunk));
}

TEST_P(SegmentStreamTest, AnExpectedFileThatIsNotThereHurtsNobody) {
  Write('a', 2 * kChunk);
  Write('b', 4096);
  ASSERT_TRUE(stream_->Open(Path('a'), 0, UINT64_MAX).ok());
  stream_->Expect(Path('x'), UINT64_MAX);
  EXPECT_EQ(Rest(0, 4096), Content('a', 2 * kChunk));
  const absl::Status missing = stream_->Open(Path('x'), 0, UINT64_MAX);
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  ASSERT_TRUE(stream_->Open(Path('b'), 0, UINT64_MAX).ok());
  EXPECT_EQ(Rest(0, 4096), Content('b', 4096));
}

}  // namespace
}  // namespace corewal
