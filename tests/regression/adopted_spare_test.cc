// A segment file that an earlier opening had prepared may have been left by a process that died
// before it synced the directory. It was taken over as it was, so that losing power could take away
// the file, and with it records that were acknowledged.
#include <gtest/gtest.h>

#include "tests/regression/writer_fixture.h"

namespace corewal {
namespace {

class AdoptedSpareTest : public WriterFixture {};

class CountingFileSystem final : public ForwardingFileSystem {
 public:
  absl::Status SyncDirectory(const std::string& path) override {
    ++directory_syncs_;
    return ForwardingFileSystem::SyncDirectory(path);
  }
  int directory_syncs() const { return directory_syncs_; }

 private:
  int directory_syncs_ = 0;
};

TEST_F(AdoptedSpareTest, ItsNameIsDurableBeforeItIsUsed) {
  Open();
  Append("one");
  while (writer_->stats().segments_ready < options_.segments_ready) {
    ASSERT_TRUE(writer_->Poll().ok());
  }
  Close();
  const absl::StatusOr<RecoveredLog> left = Recover();
  ASSERT_TRUE(left.ok()) << left.status();
  ASSERT_FALSE(left->spare.empty());
  CountingFileSystem files;
  files_ = &files;
  options_.segments_ready = static_cast<uint32_t>(left->spare.size());  // no more is prepared
  Open();
  EXPECT_EQ(writer_->stats().segments_prepared, 0u);
  EXPECT_GE(files.directory_syncs(), 1);
  Close();
}

}  // namespace
}  // namespace corewal
