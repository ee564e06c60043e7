// ListSegments on a directory that changes while it is listed.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io_factory.h"
#include "tests/regression/forwarding.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

// The host's file system, but listings miss some names: as readdir(3) may miss what is made while
// it runs, and yet have what was made after that.
class ListingThatMisses : public ForwardingFileSystem {
 public:
  explicit ListingThatMisses(std::vector<std::string> missed) : missed_(std::move(missed)) {}

  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override {
    absl::StatusOr<std::vector<DirectoryEntry>> entries = ForwardingFileSystem::List(path);
    if (!entries.ok()) return entries;
    std::vector<DirectoryEntry> seen;
    for (DirectoryEntry& entry : *entries) {
      bool missed = false;
      for (const std::string& name : missed_) missed |= entry.name == name;
      if (!missed) seen.push_back(std::move(entry));
    }
    return seen;
  }

 private:
  const std::vector<std::string> missed_;
};

class SegmentListingTest : public testing::Test {
 protected:
  void SetUp() override {
    LogBuilder builder;
    for (int i = 0; i < 5; ++i) {
      builder.StartSegment();
      builder.AddBatch({"record"});
    }
    builder.WriteTo(temp_.path());
    absl::StatusOr<std::unique_ptr<StorageIo>> io = CreateStorageIo({});
    ASSERT_TRUE(io.ok()) << io.status();
    io_ = *std::move(io);
  }
  std::vector<uint64_t> ListWithout(std::vector<std::string> missed) {
    ListingThatMisses files(std::move(missed));
    const auto segments = ListSegments(files, *io_, temp_.path());
    EXPECT_TRUE(segments.ok()) << segments.status();
    std::vector<uint64_t> sequences;
    if (segments.ok()) {
      for (const SegmentFile& segment : *segments) sequences.push_back(segment.sequence);
    }
    return sequences;
  }

  TempDirectory temp_;
  std::unique_ptr<StorageIo> io_;
};

TEST_F(SegmentListingTest, SegmentsMadeWhileListingAreFoundBeforeThoseThatFollowThem) {
  const std::vector<uint64_t> all = {1, 2, 3, 4, 5};
  EXPECT_EQ(ListWithout({}), all);
  EXPECT_EQ(ListWithout({SegmentFileName(4)}), all);
  EXPECT_EQ(ListWithout({SegmentFileName(2), SegmentFileName(3), SegmentFileName(4)}), all);
}

TEST_F(SegmentListingTest, AGapWithoutAFileStaysOne) {
  ASSERT_TRUE(FileSystem::Host().Remove(temp_.path() + "/" + SegmentFileName(3)).ok());
  EXPECT_EQ(ListWithout({}), (std::vector<uint64_t>{1, 2, 4, 5}));
}

TEST_F(SegmentListingTest, TheNewestMayBeMissedWhichIsAnEarlierMoment) {
  EXPECT_EQ(ListWithout({SegmentFileName(5)}), (std::vector<uint64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace corewal
