// A log on a disk without one free byte: what is there is recovered and read, cursors move,
// truncation makes room, and appends go on once there is space, by one or the other way.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tests/io_backend/storage_io_fixture.h"
#include "tests/regression/writer_fixture.h"
#include "tests/wal/small_disk.h"

namespace corewal {
namespace {

class FullDiskLogTest : public WriterFixture, public testing::WithParamInterface<IoBackend> {
 protected:
  void SetUp() override {
    io_options_.backend = GetParam();
    options_.direct = DirectMode::kAuto;
    const auto io = CreateStorageIo(io_options_);
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
  }

  template <typename Body>
  void OnSmallDisk(Body body) {
    const TempDirectory images;
    RunInChild([&] {
      MountSmallDisk({.image = images.path() + "/image", .at = directory_.path(), .mebibytes = 8});
      body();
      writer_.reset();
      io_.reset();
    });
  }
  std::string BallastPath() const { return directory_.path() + "/ballast"; }
  void TakeLastByte() {
    FillDisk(BallastPath());
    ASSERT_EQ(FreeBlocks(directory_.path()), 0u);
  }

  // One record, durable, or the refusal of a writer that has nothing under way.
  absl::Status TryAppend() {
    const std::string text =
        absl::StrCat(appended_.size(), ":", std::string(6000, static_cast<char>('a' + seed_ % 26)));
    absl::StatusOr<Lsn> lsn = writer_->Append(Bytes(text));
    for (int turn = 0; absl::IsResourceExhausted(lsn.status()) && turn < 20; ++turn) {
      // As long as anything is under way it may only be a buffer that is missing.
      RETURN_IF_ERROR(writer_->WaitDurable());
      RETURN_IF_ERROR(writer_->Wait(clock_->Now() + 1'000'000));
      lsn = writer_->Append(Bytes(text));
    }
    RETURN_IF_ERROR(lsn.status());
    RETURN_IF_ERROR(writer_->WaitDurable());
    ++seed_;
    appended_.emplace_back(*lsn, text);
    return absl::OkStatus();
  }
  // Until the disk is full to the last byte, and nothing that was prepared before is left.
  void AppendUntilFull() {
    for (int i = 0; i < 10'000; ++i) {
      FillDisk(BallastPath());
      const absl::Status tried = TryAppend();
      if (tried.ok()) continue;
      ASSERT_TRUE(absl::IsResourceExhausted(tried)) << tried;
      // What the writer had taken for a segment that it could not make comes back.
      if (FreeBlocks(directory_.path()) != 0) continue;
      ASSERT_FALSE(writer_->preparing_stall().ok());
      writer_->CheckInvariants();
      return;
    }
    FAIL() << "the disk does not fill up";
  }
  // The writer looks for space by itself, now and then.
  void AppendOnceThereIsSpace() {
    const MonotonicNs deadline = clock_->Now() + 60'000'000'000;
    absl::Status tried = TryAppend();
    while (absl::IsResourceExhausted(tried) && clock_->Now() < deadline) tried = TryAppend();
    EXPECT_OK(tried);
    writer_->CheckInvariants();
  }
  void ExpectReadBack(size_t from = 0) {
    std::vector<std::string> expected;
    for (size_t i = from; i < appended_.size(); ++i) expected.push_back(appended_[i].second);
    EXPECT_TRUE(ReadBack() == expected);
  }
  // The first record that is still there.
  size_t FirstLeft() const {
    size_t first = 0;
    while (first < appended_.size() && appended_[first].first < writer_->oldest()) ++first;
    return first;
  }

  std::vector<std::pair<Lsn, std::string>> appended_;
  int seed_ = 0;
};

TEST_P(FullDiskLogTest, CursorMovesAndTruncationMakesRoomWithoutAFreeByte) {
  OnSmallDisk([this] {
    Open();
    for (int i = 0; i < 100; ++i) ASSERT_OK(TryAppend());
    ASSERT_OK(writer_->SetCursor("c", appended_[50].first));
    AppendUntilFull();
    TakeLastByte();
    ExpectReadBack();
    // Held by the cursor: what is before it makes the only room.
    ASSERT_OK(writer_->SetCursor("c", appended_[60].first));
    EXPECT_EQ(FreeBlocks(directory_.path()), 0u);
    ASSERT_OK(writer_->SetCursor("d", appended_[70].first));
    ASSERT_OK(writer_->RemoveCursor("d"));
    EXPECT_EQ(FreeBlocks(directory_.path()), 0u);
    for (int round = 0; round < 3; ++round) {
      SCOPED_TRACE(round);
      TakeLastByte();
      ASSERT_OK(writer_->SetCursor("c", appended_[appended_.size() - 30].first));
      ASSERT_OK(writer_->TruncateBefore(writer_->durable()));
      const size_t left = FirstLeft();
      EXPECT_GT(left, 0u);
      EXPECT_LE(left, appended_.size() - 30);
      AppendOnceThereIsSpace();
      ExpectReadBack(left);
      AppendUntilFull();
    }
    const size_t left = FirstLeft();
    Close();
    TakeLastByte();
    Open();
    ASSERT_EQ(writer_->cursors().size(), 1u);
    EXPECT_EQ(writer_->cursors()[0].name, "c");
    ExpectReadBack(left);
    Close();
  });
}

TEST_P(FullDiskLogTest, RecoveryAndReadingNeedNoSpaceAndAppendsResumeOnceItReturns) {
  OnSmallDisk([this] {
    Open();
    ASSERT_OK(TryAppend());
    AppendUntilFull();
    // As a crash leaves it: no seal, no trimmed file. The process goes on, with other objects.
    LogWriter* const dead_writer = writer_.release();
    StorageIo* const dead_io = io_.release();
    for (int opening = 0; opening < 3; ++opening) {
      SCOPED_TRACE(opening);
      TakeLastByte();
      const absl::StatusOr<RecoveredLog> recovered = Recover();
      ASSERT_OK(recovered.status());
      ExpectReadBack();
      EXPECT_EQ(FreeBlocks(directory_.path()), 0u);
      Open();
      AppendUntilFull();
      ExpectReadBack();
      Close();
      ExpectReadBack();
    }
    TakeLastByte();
    Open();
    AppendUntilFull();
    ASSERT_EQ(unlink(BallastPath().c_str()), 0);
    for (int i = 0; i < 50; ++i) AppendOnceThereIsSpace();
    EXPECT_OK(writer_->preparing_stall());
    Close();
    ExpectReadBack();
    static_cast<void>(dead_writer), static_cast<void>(dead_io);
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, FullDiskLogTest,
                         testing::Values(IoBackend::kPosix, IoBackend::kUring),
                         [](const auto& info) {
                           return info.param == IoBackend::kPosix ? "Posix" : "Uring";
                         });

}  // namespace
}  // namespace corewal
