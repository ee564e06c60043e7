// Truncation gives files up in the order of the log, whatever becomes of each. It once removed a
// trimmed segment while an older one still waited, under its name, to be reused; and forgot a file
// that it had failed to remove. Either left a gap, and the log could not be opened after a crash.
// And a cursor could be set into a segment whose removal had failed halfway.
#include <gtest/gtest.h>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class TruncationOrderTest : public WriterFixture {};

// Removing anything fails as often as told, or removes and does not sync.
class StubbornFileSystem final : public ForwardingFileSystem {
 public:
  absl::Status Remove(const std::string& path) override {
    if (failures_ > 0 && failures_-- > 0) return absl::InternalError("unlink: EIO");
    return ForwardingFileSystem::Remove(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    if (sync_failures_ > 0 && sync_failures_-- > 0) return absl::InternalError("fsync: EIO");
    return ForwardingFileSystem::SyncDirectory(path);
  }
  void FailRemoves(int count) { failures_ = count; }
  void FailSyncs(int count) { sync_failures_ = count; }

 private:
  int failures_ = 0;
  int sync_failures_ = 0;
};

TEST_F(TruncationOrderTest, TrimmedSegmentGoesAfterOlderOnesThatWaitToBeReused) {
  Open();
  AppendOverSegments(2);
  Close();  // trims the last one
  Open();
  const Lsn last = AppendOverSegments(2);
  ASSERT_TRUE(writer_->TruncateBefore(last).ok());
  const absl::StatusOr<RecoveredLog> crashed = Recover();
  EXPECT_TRUE(crashed.ok()) << crashed.status();
  Close();
}

TEST_F(TruncationOrderTest, FileThatCouldNotBeRemovedIsNotForgotten) {
  StubbornFileSystem files;
  files_ = &files;
  options_.segments_ready = 1;
  Open();
  AppendOverSegments(1);
  const Lsn middle = AppendOverSegments(4);
  const Lsn last = AppendOverSegments(4);
  files.FailRemoves(1);
  EXPECT_FALSE(writer_->TruncateBefore(middle).ok());
  EXPECT_TRUE(writer_->TruncateBefore(last).ok());
  const absl::StatusOr<RecoveredLog> crashed = Recover();
  EXPECT_TRUE(crashed.ok()) << crashed.status();
  Close();
  EXPECT_FALSE(ReadBack().empty());
}

TEST_F(TruncationOrderTest, NoCursorIsSetIntoASegmentWhoseRemovalFailedHalfway) {
  StubbornFileSystem files;
  files_ = &files;
  Open();
  const Lsn first = Append("first");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  Close();  // trims the file: it is removed, not reused
  Open();
  const Lsn last = AppendOverSegments(3);
  ASSERT_TRUE(writer_->SetCursor("reader", first).ok());
  ASSERT_TRUE(writer_->RemoveCursor("reader").ok());
  files.FailSyncs(1);
  ASSERT_FALSE(writer_->TruncateBefore(last).ok());
  EXPECT_TRUE(absl::IsOutOfRange(writer_->SetCursor("reader", first))) << "its record may be gone";
  writer_->CheckInvariants();
  Close();
}

}  // namespace
}  // namespace corewal
