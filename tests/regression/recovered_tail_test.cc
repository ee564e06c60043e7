// What only the process's crash has left may not be durable. Recovered records were handed out as
// durable, by a host's engine, before anything had synced them.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class RecoveredTailTest : public WriterFixture {};

class RecordingFileSystem final : public ForwardingFileSystem {
 public:
  absl::Status Resize(const std::string& path, uint64_t size_bytes) override {
    synced_[path] = size_bytes;
    return ForwardingFileSystem::Resize(path, size_bytes);
  }
  const std::map<std::string, uint64_t>& synced() const { return synced_; }

 private:
  std::map<std::string, uint64_t> synced_;
};

TEST_F(RecoveredTailTest, EverySegmentThatMayNotBeDurableIsSyncedAsItIs) {
  Open();
  AppendOverSegments(3);
  Close();
  options_.seal_after_us = 1'000'000'000;
  Open();
  Append("in a segment of its own", Durability::kWritten);
  while (writer_->written() < writer_->appended()) ASSERT_TRUE(writer_->Poll().ok());
  const absl::StatusOr<RecoveredLog> recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  RecordingFileSystem files;
  ASSERT_TRUE(SyncRecovered(files, options_.directory, *recovered).ok());
  const SegmentFile& last = recovered->live.back();
  ASSERT_EQ(files.synced().count(last.path), 1u);
  EXPECT_EQ(files.synced().at(last.path), last.size_bytes);
  EXPECT_LT(files.synced().size(), recovered->live.size()) << "the old ones need it no more";
  Close();
  const absl::StatusOr<RecoveredLog> sealed = Recover();
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  RecordingFileSystem untouched;
  ASSERT_TRUE(SyncRecovered(untouched, options_.directory, *sealed).ok());
  EXPECT_TRUE(untouched.synced().empty()) << "a sealed log is durable";
}

}  // namespace
}  // namespace corewal
