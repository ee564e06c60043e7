// The files of a log are the owner's alone whatever the umask, go to no other program, and a
// symbolic link in the place of one is refused and its target left as it was.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/io_backend/storage_io_fixture.h"
#include "tests/regression/writer_fixture.h"
#include "wal/cursor_set.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class FileProtectionTest : public WriterFixture, public testing::WithParamInterface<IoBackend> {
 protected:
  void SetUp() override {
    io_options_.backend = GetParam();
    const auto io = CreateStorageIo(io_options_);
    if (absl::IsFailedPrecondition(io.status())) GTEST_SKIP() << io.status();
  }
  std::string PathOf(uint64_t sequence) const {
    return directory_.path() + "/" + SegmentFileName(sequence);
  }
  std::string CursorPath() const { return directory_.path() + "/" + kCursorFileName; }
  static std::string Content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A log over some segments, with a cursor; closed.
  void WriteLog() {
    Open();
    const Lsn first = Append("first");
    AppendOverSegments(3);
    ASSERT_OK(writer_->SetCursor("c", first));
    Close();
  }
  // Moves `path` out of the directory and puts a link to it in its place.
  std::string ReplaceByLink(const std::string& path) {
    std::string target = outside_.path() + "/target";
    fs::rename(path, target);
    fs::create_symlink(target, path);
    return target;
  }
  static void ExpectRefused(const absl::Status& status, const std::string& path) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_THAT(std::string(status.message()), HasSubstr("symbolic link"));
  }

  const TempDirectory outside_;
};

TEST_P(FileProtectionTest, EveryFileIsTheOwnersAloneWhateverTheUmask) {
  for (const mode_t mask : {0000, 0022, 0077, 0277, 0777}) {
    RunInChild([&] {  // the umask is the process's
      SCOPED_TRACE(absl::StrCat("umask ", absl::Hex(mask)));
      umask(mask);
      Open();
      const Lsn first = Append("first");
      AppendOverSegments(3);
      ASSERT_OK(writer_->SetCursor("c", first));
      ASSERT_OK(writer_->SetCursor("d", first));
      ASSERT_OK(writer_->RemoveCursor("d"));
      int files = 0;
      for (const auto& entry : fs::directory_iterator(directory_.path())) {
        struct stat facts;
        ASSERT_EQ(lstat(entry.path().c_str(), &facts), 0);
        EXPECT_EQ(facts.st_mode, static_cast<mode_t>(S_IFREG | 0600)) << entry.path();
        ++files;
      }
      EXPECT_GT(files, 4);
      Close();
      for (const auto& entry : fs::directory_iterator(directory_.path())) fs::remove(entry);
    });
  }
}

TEST_P(FileProtectionTest, EveryOpenFileIsClosedOnExecAndFollowsNoLink) {
  WriteLog();
  Open();
  AppendOverSegments(2);
  const auto reading = NewIo();
  auto reader = LogReader::Open(FileSystem::Host(), *reading, directory_.path(), {});
  ASSERT_OK(reader.status());
  RecordView record;
  ASSERT_TRUE((*reader)->Next(&record));
  int for_reading = 0, for_writing = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own
    const std::string target = fs::read_symlink(entry.path(), gone);
    if (gone || target.rfind(directory_.path() + "/", 0) != 0) continue;
    std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
    std::string word;
    while (info >> word && word != "flags:") {
    }
    unsigned flags = 0;
    ASSERT_TRUE(info >> std::oct >> flags);
    EXPECT_EQ(flags & O_CLOEXEC, static_cast<unsigned>(O_CLOEXEC)) << target;
    EXPECT_EQ(flags & O_NOFOLLOW, static_cast<unsigned>(O_NOFOLLOW)) << target;
    EXPECT_EQ(flags & O_APPEND, 0u) << target;
    ++((flags & O_ACCMODE) == O_RDONLY ? for_reading : for_writing);
  }
  EXPECT_GT(for_reading, 0);
  EXPECT_GT(for_writing, 0);
  reader->reset();
  Close();
}

TEST_P(FileProtectionTest, LinkInPlaceOfASegmentIsRefusedByName) {
  WriteLog();
  const std::string target = ReplaceByLink(PathOf(2));
  const std::string before = Content(target);
  ExpectRefused(Recover().status(), PathOf(2));
  const auto io = NewIo();
  ExpectRefused(LogReader::Open(FileSystem::Host(), *io, directory_.path(), {}).status(),
                PathOf(2));
  ExpectRefused(ReadSegmentFile(FileSystem::Host(), *io, PathOf(2)).status(), PathOf(2));
  auto follower = LogFollower::Open(FileSystem::Host(), *io, directory_.path(), {});
  ASSERT_OK(follower.status());
  RecordView record;
  FollowEvent event = FollowEvent::kRecord;
  while (event == FollowEvent::kRecord) event = (*follower)->Next(&record);
  EXPECT_EQ(event, FollowEvent::kFailed);
  ExpectRefused((*follower)->status(), PathOf(2));
  EXPECT_EQ(Content(target), before);
}

// The names that the writer will take next, each with a link to a file that is not its own.
TEST_P(FileProtectionTest, WriterWritesThroughNoLink) {
  Open();
  const Lsn first = Append("first");
  ASSERT_OK(writer_->WaitDurable());
  const std::string victim = outside_.path() + "/victim";
  std::ofstream(victim) << "not the log's";
  const std::string dangling = outside_.path() + "/must-not-be-made";
  for (const char* suffix : {"", ".tmp"}) {
    fs::create_symlink(*suffix == 0 ? dangling : victim, CursorPath() + suffix);
  }
  for (uint64_t sequence = 2; sequence < 12; ++sequence) {
    if (fs::exists(PathOf(sequence))) continue;
    fs::create_symlink(sequence % 2 == 0 ? victim : dangling, PathOf(sequence));
  }
  // Whatever comes of it, the targets stay as they are.
  ExpectRefused(writer_->SetCursor("c", first), CursorPath() + ".tmp");
  // Until it says that it cannot go on.
  absl::Status appended;
  const MonotonicNs deadline = clock_->Now() + 60'000'000'000;
  while (appended.ok() && writer_->preparing_stall().ok() && clock_->Now() < deadline) {
    appended = writer_->Append(Bytes(std::string(6000, 'r'))).status();
    if (absl::IsResourceExhausted(appended)) appended = writer_->Wait(clock_->Now() + 1'000'000);
  }
  const absl::Status told = appended.ok() ? writer_->preparing_stall() : appended;
  EXPECT_FALSE(told.ok());
  EXPECT_THAT(std::string(told.message()), HasSubstr(directory_.path() + "/0000"));
  EXPECT_EQ(Content(victim), "not the log's");
  EXPECT_FALSE(fs::exists(dangling));
  writer_->Close().IgnoreError();
  writer_.reset();
  EXPECT_EQ(Content(victim), "not the log's");
  EXPECT_FALSE(fs::exists(dangling));
}

TEST_P(FileProtectionTest, LinkInPlaceOfTheCursorsIsRefusedAndNotWrittenThrough) {
  WriteLog();
  const std::string target = ReplaceByLink(CursorPath());
  const std::string before = Content(target);
  ExpectRefused(
      CursorSet::Read(FileSystem::Host(), directory_.path(), options_.uuid, options_.shard)
          .status(),
      CursorPath());
  const auto recovered = Recover();
  ASSERT_OK(recovered.status());
  io_ = NewIo();
  auto writer = LogWriter::Open(*files_, *io_, *clock_, options_, *recovered);
  if (writer.ok()) {
    writer_ = *std::move(writer);
    Append("goes on");
    ASSERT_OK(writer_->WaitDurable());
    EXPECT_FALSE(writer_->SetCursor("c", writer_->durable()).ok());
    EXPECT_FALSE(writer_->TruncateBefore(writer_->durable()).ok());
    Close();
  } else {
    ExpectRefused(writer.status(), CursorPath());
  }
  EXPECT_EQ(Content(target), before);
}

INSTANTIATE_TEST_SUITE_P(Backends, FileProtectionTest,
                         testing::Values(IoBackend::kPosix, IoBackend::kUring),
                         [](const auto& info) {
                           return info.param == IoBackend::kPosix ? "Posix" : "Uring";
                         });

}  // namespace
}  // namespace corewal
