// Truncation gives files up in the order of the log, whatever becomes of each. It once removed a
// trimmed segment while an older one still waited, under its name, to be reused; and forgot a file
// that it had failed to remove. Either left a gap, and the log could not be opened after a crash.
#include <gtest/gtest.h>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class TruncationOrderTest : public WriterFixture {};

// Removing anything fails as often as told.
class StubbornFileSystem final : public ForwardingFileSystem {
 public:
  absl::Status Remove(const std::string& path) override {
    if (failures_ > 0 && failures_-- > 0) return absl::InternalError("unlink: EIO");
    return ForwardingFileSystem::Remove(path);
  }
  void FailRemoves(int count) { failures_ = count; }

 private:
  int failures_ = 0;
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

}  // namespace
}  // namespace corewal
