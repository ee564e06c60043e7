// What Engine::Open refuses, with which words, and that refusing changes nothing.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"
#include "tests/wal/log_builder.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

class EngineOpenTest : public EngineTest {
 protected:
  // Opening fails with `code`, its message names each of `words`, and no file changed.
  void ExpectRefused(const EngineOptions& with, absl::StatusCode code,
                     const std::vector<std::string>& words) {
    const std::string before = absl::StrJoin(FilesOnDisk(), "\n");
    const absl::Status status = Engine::Open(with).status();
    EXPECT_EQ(status.code(), code) << status;
    for (const std::string& word : words) {
      EXPECT_NE(status.message().find(word), absl::string_view::npos)
          << status << "\nlacks " << word;
    }
    EXPECT_EQ(absl::StrJoin(FilesOnDisk(), "\n"), before);
  }

  static std::string Content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static void Overwrite(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
};

TEST_P(EngineOpenTest, OptionsOutOfRangeAreNamed) {
  const std::vector<std::pair<std::string, std::function<void(EngineOptions&)>>> bad = {
      {"directory", [](EngineOptions& o) { o.directory = ""; }},
      {"shards 0", [](EngineOptions& o) { o.shards = 0; }},
      {"shards 1025", [](EngineOptions& o) { o.shards = 1025; }},
      {"mailbox_bytes 0", [](EngineOptions& o) { o.shard.mailbox_bytes = 0; }},
      {"mailbox_bytes 5000", [](EngineOptions& o) { o.shard.mailbox_bytes = 5000; }},
      {"sync_bytes_max 0", [](EngineOptions& o) { o.shard.sync_bytes_max = 0; }},
      {"write_bytes_max 0", [](EngineOptions& o) { o.shard.write_bytes_max = 0; }},
      {"segment_bytes 1", [](EngineOptions& o) { o.shard.segment_bytes = 1; }},
      {"segment_bytes 65537", [](EngineOptions& o) { o.shard.segment_bytes = 65537; }},
      {"segments_ready 0", [](EngineOptions& o) { o.shard.segments_ready = 0; }},
      {"segments_ready 65", [](EngineOptions& o) { o.shard.segments_ready = 65; }},
      {"buffers", [](EngineOptions& o) { o.shard.io.buffers = 2; }},
      {"buffer", [](EngineOptions& o) { o.shard.io.buffer_bytes = 4096; }},
  };
  Open(options());
  AppendAndWait(0, "x");
  Close();
  for (const auto& [word, spoil] : bad) {
    SCOPED_TRACE(word);
    EngineOptions with = options();
    spoil(with);
    ExpectRefused(with, absl::StatusCode::kInvalidArgument, {word});
  }
  Open(options());
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"x"});
}

TEST_P(EngineOpenTest, SecondOpeningIsRefusedAndNamesTheHolder) {
  Open(options());
  const std::string pid = absl::StrCat("process ", getpid());
  ExpectRefused(options(), absl::StatusCode::kUnavailable, {directory(), pid});
  Close();
  Open(options());
}

TEST_P(EngineOpenTest, LockHeldByAnotherProcessNamesItsPid) {
  int ready[2], stop[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(stop), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ready[0]);
    close(stop[1]);
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options());
    char byte = engine.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    while (read(stop[0], &byte, 1) > 0) {
    }
    _exit(0);
  }
  close(ready[1]);
  close(stop[0]);
  char opened = 0;
  EXPECT_EQ(read(ready[0], &opened, 1), 1);
  EXPECT_EQ(opened, 'y');
  ExpectRefused(options(), absl::StatusCode::kUnavailable, {absl::StrCat("process ", child)});
  close(stop[1]);
  close(ready[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  Open(options());
  AppendAndWait(0, "the lock went with its holder");
}

TEST_P(EngineOpenTest, FileInTheWayIsRefused) {
  std::filesystem::create_directories(std::filesystem::path(directory()).parent_path());
  Overwrite(directory(), "not a directory");
  const absl::Status status = Engine::Open(options()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find(directory()), absl::string_view::npos) << status;
  EXPECT_EQ(Content(directory()), "not a directory");
}

TEST_P(EngineOpenTest, DirectoryWithoutPermissionIsRefused) {
  std::filesystem::create_directories(directory());
  std::filesystem::permissions(directory(), std::filesystem::perms::none);
  RunInChild([this] {
    // Root passes every permission, as long as it may.
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2] = {};
    ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
    const absl::Status status = Engine::Open(options()).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_NE(status.message().find(directory()), absl::string_view::npos) << status;
  });
  std::filesystem::permissions(directory(), std::filesystem::perms::owner_all);
  EXPECT_TRUE(FilesOnDisk().empty());
}

TEST_P(EngineOpenTest, SegmentOfAnotherLogIsRefusedAndNamed) {
  Open(options());
  AppendAndWait(0, "ours");
  const LogUuid uuid = engine().uuid();
  Close();
  EngineOptions other = options();
  other.directory = directory() + "-other";
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(other);
  ASSERT_OK(engine.status());
  const LogUuid other_uuid = (*engine)->uuid();
  EXPECT_NE(uuid, other_uuid);
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<AppendFuture> future =
        (*engine)->Append(ShardId{0}, BytesOf(std::string(100'000, 'o')));
    ASSERT_OK(future.status());
    ASSERT_OK(future->Wait().status());
  }
  ASSERT_OK((*engine)->Close());
  const std::string name = "/" + SegmentFileName(2);
  const std::string to = ShardDirectory(directory(), ShardId{0}) + name;
  std::filesystem::copy_file(ShardDirectory(other.directory, ShardId{0}) + name, to,
                             std::filesystem::copy_options::overwrite_existing);
  ExpectRefused(options(), absl::StatusCode::kFailedPrecondition, {to, other_uuid.ToString()});
  std::filesystem::remove(to);
  Open(options());
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"ours"});
}

TEST_P(EngineOpenTest, ShardDirectoryOfAnotherLogIsRefused) {
  Open(options());
  AppendAndWait(0, "ours");
  Close();
  EngineOptions other = options(2);
  other.directory = directory() + "-other";
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(other);
  ASSERT_OK(engine.status());
  absl::StatusOr<AppendFuture> future = (*engine)->Append(ShardId{1}, BytesOf("theirs"));
  ASSERT_OK(future.status());
  ASSERT_OK(future->Wait().status());
  ASSERT_OK((*engine)->Close());
  std::filesystem::copy(ShardDirectory(other.directory, ShardId{1}),
                        ShardDirectory(directory(), ShardId{1}));
  ExpectRefused(options(), absl::StatusCode::kFailedPrecondition,
                {ShardDirectory(directory(), ShardId{1})});
}

TEST_P(EngineOpenTest, NewerFormatVersionIsRefusedAndNamed) {
  Open(options());
  AppendAndWait(0, "x");
  Close();
  const std::string path = SegmentPaths(0).front();
  const std::string original = Content(path);
  std::string newer = original;
  Put32(&newer[12], kFormatVersion + 1);
  FixSegmentHeaderCrc(newer.data());
  Overwrite(path, newer);
  ExpectRefused(options(), absl::StatusCode::kFailedPrecondition,
                {path, absl::StrCat("version ", kFormatVersion + 1)});
  Overwrite(path, original);
  Open(options());
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"x"});
}

TEST_P(EngineOpenTest, NewerMetadataIsRefused) {
  Open(options());
  LogMeta meta;
  meta.uuid = engine().uuid();
  Close();
  meta.format = 2;
  const std::string path = absl::StrCat(directory(), "/", kLogMetaFileName);
  Overwrite(path, meta.Encode());
  ExpectRefused(options(), absl::StatusCode::kFailedPrecondition, {path});
}

TEST_P(EngineOpenTest, DamagedMetadataIsRefusedAndALostOneIsMadeAgain) {
  Open(options());
  AppendAndWait(0, "x");
  const LogUuid uuid = engine().uuid();
  Close();
  const std::string path = absl::StrCat(directory(), "/", kLogMetaFileName);
  const std::string whole = Content(path);
  for (size_t at = whole.find("uuid") + 5; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] ^= 1;
    Overwrite(path, damaged);
    ExpectRefused(options(), absl::StatusCode::kDataLoss, {path});
  }
  std::filesystem::remove(path);
  Open(options());
  EXPECT_EQ(engine().uuid(), uuid);
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"x"});
}

TEST_P(EngineOpenTest, DamageIsDataLossUnlessToldToStopThere) {
  Open(options());
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) {
    texts.push_back(absl::StrCat(i, std::string(3000, 'd')));
    AppendAndWait(0, texts.back());
  }
  Close();
  const std::string path = SegmentPaths(0).front();
  std::string damaged = Content(path);
  const size_t at = damaged.find(texts[10].substr(0, 100));
  ASSERT_NE(at, std::string::npos);
  damaged[at + 50] ^= 1;
  Overwrite(path, damaged);
  ExpectRefused(options(), absl::StatusCode::kDataLoss,
                {path, absl::StrCat("offset ", at / 4096 * 4096)});
  EngineOptions stop = options();
  stop.recovery = RecoveryMode::kStopAtDamage;
  Open(stop);
  EXPECT_EQ(engine().recovered_end(ShardId{0}).end, LogEnd::kDamaged);
  EXPECT_EQ(ReplayTexts(0), std::vector(texts.begin(), texts.begin() + 10));
  AppendAndWait(0, "goes on");
  Reopen(options());
  std::vector<std::string> left(texts.begin(), texts.begin() + 10);
  left.emplace_back("goes on");
  EXPECT_EQ(ReplayTexts(0), left);
}

TEST_P(EngineOpenTest, EmptyBlankAndForeignFilesDoNoHarm) {
  Open(options());
  AppendAndWait(0, "x");
  Close();
  const std::string shard = ShardDirectory(directory(), ShardId{0}) + "/";
  Overwrite(shard + SegmentFileName(7), "");
  Overwrite(shard + SegmentFileName(8), std::string(65536, '\0'));
  Overwrite(shard + "notes.txt", "somebody's");
  Overwrite(directory() + "/shard-x", "somebody's");
  Open(options());
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"x"});
  AppendAndWait(0, "y");
  Reopen(options());
  EXPECT_EQ(ReplayTexts(0), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(Content(shard + "notes.txt"), "somebody's");
}

TEST_P(EngineOpenTest, RecordTooLargeOrOfAReservedTypeIsRefusedAtOnce) {
  Open(options());
  constexpr size_t kTooLarge = (1ull << 30) + 1;
  void* const unreadable = mmap(nullptr, kTooLarge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unreadable, MAP_FAILED);
  const absl::Status large =
      engine().Post(ShardId{0}, {static_cast<const std::byte*>(unreadable), kTooLarge});
  EXPECT_TRUE(absl::IsInvalidArgument(large)) << large;
  munmap(unreadable, kTooLarge);
  const absl::Status reserved =
      engine().Post(ShardId{0}, BytesOf("x"), {.type = RecordType::kCheckpoint});
  EXPECT_TRUE(absl::IsInvalidArgument(reserved)) << reserved;
  AppendAndWait(0, "fine");
  Reopen(options());
  EXPECT_EQ(ReplayTexts(0), std::vector<std::string>{"fine"});
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineOpenTest,
                         testing::Values(EngineSetting{IoBackend::kPosix, SyncMethod::kDatasync},
                                         EngineSetting{IoBackend::kUring, SyncMethod::kDsync}),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
