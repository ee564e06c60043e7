// Who reads a log needs nothing but to read: no lock, no right to write, no file of its own. On a
// mount that is really read-only, and as a user who may only read the files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"
#include "tests/regression/writer_fixture.h"
#include "tests/tools/run_program.h"
#include "tests/wal/small_disk.h"
#include "wal/cursor_set.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

constexpr int kRecords = 60;

std::string Record(int number) {
  // One of them spans batches.
  const size_t bytes = number == 20 ? 100'000 : 6000;
  return absl::StrCat(number, ":", std::string(bytes, static_cast<char>('a' + number % 26)));
}

// Anything that would write is a failure of the test, whether it would have worked or not.
class ReadingFileSystem final : public ForwardingFileSystem {
 public:
  absl::StatusOr<OpenFile> Open(const std::string& path, const OpenOptions& options) override {
    EXPECT_EQ(options.access, OpenOptions::Access::kRead) << path;
    return ForwardingFileSystem::Open(path, options);
  }
  absl::Status CreateDirectories(const std::string& path) override { return Refuse(path); }
  absl::Status SyncDirectory(const std::string& path) override { return Refuse(path); }
  absl::Status Rename(const std::string& from, const std::string&) override { return Refuse(from); }
  absl::Status Remove(const std::string& path) override { return Refuse(path); }
  absl::Status Resize(const std::string& path, uint64_t) override { return Refuse(path); }
  absl::Status WriteSmallFile(const std::string& path, absl::string_view) override {
    return Refuse(path);
  }
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock(const std::string& path) override {
    return Refuse(path);
  }

 private:
  static absl::Status Refuse(const std::string& path) {
    ADD_FAILURE() << "a reader wants to change or lock " << path;
    return absl::InternalError(path);
  }
};

class ReadOnlyLogTest : public WriterFixture,
                        public testing::WithParamInterface<std::tuple<IoBackend, bool>> {
 protected:
  static bool closed() { return std::get<1>(GetParam()); }

  void SetUp() override {
    io_options_.backend = std::get<0>(GetParam());
    options_.direct = DirectMode::kAuto;
    const auto io = CreateStorageIo(io_options_);
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
  }

  // In a process of its own, which closes the log or dies.
  void WriteLog() {
    RunInChild([this] {
      Open();
      Lsn cursor;
      for (int i = 0; i < kRecords; ++i) {
        const Lsn lsn = Append(Record(i));
        if (i == 10) cursor = lsn;
      }
      ASSERT_OK(writer_->WaitDurable());
      ASSERT_OK(writer_->SetCursor("replica", cursor));
      EXPECT_GT(writer_->stats().rolls, 3u);
      if (closed()) Close();
      std::fflush(nullptr);
      _exit(HasFailure() ? 1 : 0);
    });
  }

  // Every file: size, time of its last change, content.
  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (!entry.is_regular_file()) continue;
      struct stat facts;
      EXPECT_EQ(stat(entry.path().c_str(), &facts), 0);
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().filename()] =
          absl::StrCat(facts.st_mtim.tv_sec, ".", facts.st_mtim.tv_nsec, " ", facts.st_mode, " ") +
          std::string(std::istreambuf_iterator<char>(file), {});
    }
    return files;
  }

  void ExpectAllIsRead() {
    const auto before = Snapshot();
    ReadingFileSystem files;
    const std::unique_ptr<StorageIo> io = NewIo();
    ExpectRecovers(files, *io);
    ExpectReaderReads(files, *io);
    ExpectFollowerReads(files, *io);
    const auto cursors = CursorSet::Read(files, options_.directory, options_.uuid, options_.shard);
    ASSERT_OK(cursors.status());
    EXPECT_NE(cursors->Find("replica"), nullptr);
    EXPECT_TRUE(Snapshot() == before) << "a reader has changed the directory";
  }

 private:
  void ExpectRecovers(FileSystem& files, StorageIo& io) {
    const auto recovered =
        RecoverLog(files, io, options_.directory, options_.uuid, RecoveryMode::kStrict);
    ASSERT_OK(recovered.status());
    EXPECT_GT(recovered->live.size(), 3u);
    EXPECT_EQ(recovered->end.end == LogEnd::kSealed, closed()) << recovered->end.ToString();
  }
  void ExpectReaderReads(FileSystem& files, StorageIo& io) {
    auto reader = LogReader::Open(files, io, options_.directory, {});
    ASSERT_OK(reader.status());
    RecordView record;
    int count = 0;
    while ((*reader)->Next(&record)) EXPECT_EQ(OwnedRecord(record).payload, Record(count++));
    EXPECT_EQ(count, kRecords);
    EXPECT_OK((*reader)->end().ToStatus());
  }
  void ExpectFollowerReads(FileSystem& files, StorageIo& io) {
    // A log that was not closed has no witness of its last batch.
    auto follower =
        LogFollower::Open(files, io, options_.directory, {.durable = {.unwitnessed = !closed()}});
    ASSERT_OK(follower.status());
    RecordView record;
    int count = 0;
    while ((*follower)->Next(&record) == FollowEvent::kRecord) {
      EXPECT_EQ(OwnedRecord(record).payload, Record(count++));
    }
    EXPECT_EQ(count, kRecords);
    EXPECT_OK((*follower)->status());
  }
};

TEST_P(ReadOnlyLogTest, ReadOnlyMountIsReadWholly) {
  const TempDirectory images;
  RunInChild([&] {
    MountSmallDisk({.image = images.path() + "/image", .at = directory_.path()});
    WriteLog();
    MakeReadOnly(directory_.path());
    ASSERT_LT(open((directory_.path() + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
    ASSERT_EQ(errno, EROFS);
    ExpectAllIsRead();
  });
}

TEST_P(ReadOnlyLogTest, WalDumpReadsAReadOnlyMount) {
  const TempDirectory images;
  RunInChild([&] {
    MountSmallDisk({.image = images.path() + "/image", .at = directory_.path()});
    WriteLog();
    MakeReadOnly(directory_.path());
    const ProgramResult result =
        RunProgram({.program = "tools/wal-dump", .arguments = {"--verify", directory_.path()}});
    EXPECT_EQ(result.exit_code, 0) << result.error;
    EXPECT_THAT(result.output, testing::HasSubstr(absl::StrCat(kRecords, " records")));
  });
}

TEST_P(ReadOnlyLogTest, UserWhoMayOnlyReadNeedsNoMore) {
  WriteLog();
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    ASSERT_EQ(chmod(entry.path().c_str(), 0444), 0);
  }
  ASSERT_EQ(chmod(directory_.path().c_str(), 0555), 0);
  RunInChild([this] {
    // The way to here may be closed to others.
    ASSERT_EQ(chdir(directory_.path().c_str()), 0);
    options_.directory = ".";
    if (getuid() == 0) {
      constexpr uid_t kNobody = 65534;
      ASSERT_EQ(setgroups(0, nullptr), 0);
      ASSERT_EQ(setresgid(kNobody, kNobody, kNobody), 0);
      ASSERT_EQ(setresuid(kNobody, kNobody, kNobody), 0);
    }
    ASSERT_LT(open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
    ASSERT_EQ(errno, EACCES);
    ASSERT_LT(open(SegmentFileName(1).c_str(), O_WRONLY | O_CLOEXEC), 0);
    ASSERT_EQ(errno, EACCES);
    ExpectAllIsRead();
  });
  ASSERT_EQ(chmod(directory_.path().c_str(), 0700), 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, ReadOnlyLogTest,
                         testing::Combine(testing::Values(IoBackend::kPosix, IoBackend::kUring),
                                          testing::Bool()),
                         [](const auto& info) {
                           return absl::StrCat(
                               std::get<0>(info.param) == IoBackend::kPosix ? "Posix" : "Uring",
                               std::get<1>(info.param) ? "Closed" : "Crashed");
                         });

}  // namespace
}  // namespace corewal
