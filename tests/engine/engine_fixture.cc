#include "tests/engine/engine_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io_backend/storage_io_factory.h"
#include "wal/segment_set.h"

namespace corewal {

std::vector<EngineSetting> AllEngineSettings() {
  return {{IoBackend::kPosix, SyncMethod::kDsync},
          {IoBackend::kPosix, SyncMethod::kDatasync},
          {IoBackend::kUring, SyncMethod::kDsync},
          {IoBackend::kUring, SyncMethod::kDatasync}};
}

std::string EngineSettingName(const testing::TestParamInfo<EngineSetting>& info) {
  return absl::StrCat(info.param.backend == IoBackend::kPosix ? "Posix" : "Uring",
                      info.param.sync_method == SyncMethod::kDsync ? "Dsync" : "Datasync");
}

absl::Status CanHave(IoBackend backend) {
  return CreateStorageIo({.backend = backend, .buffers = 1, .buffer_bytes = 4096}).status();
}

void PrintTo(const Replayed& record, std::ostream* os) {
  *os << record.lsn.value() << ":" << record.text.substr(0, 40);
}

absl::Span<const std::byte> BytesOf(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

std::string TextOf(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void EngineTest::SetUp() {
  if (const absl::Status had = CanHave(GetParam().backend); !had.ok()) GTEST_SKIP() << had;
}

EngineOptions EngineTest::options(uint32_t shards) const {
  EngineOptions options;
  options.directory = directory();
  options.shards = shards;
  options.shard.io.backend = GetParam().backend;
  options.shard.io.buffers = 6;
  options.shard.io.buffer_bytes = 64 << 10;
  options.shard.sync_method = GetParam().sync_method;
  options.shard.segment_bytes = 256 << 10;
  options.shard.mailbox_bytes = 64 << 10;
  return options;
}

void EngineTest::Open(const EngineOptions& options) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_OK(engine.status());
  engine_ = *std::move(engine);
}

void EngineTest::Close() {
  ASSERT_OK(engine_->Close());
  engine_.reset();
}

Lsn EngineTest::AppendAndWait(uint32_t shard, const std::string& text) {
  absl::StatusOr<AppendFuture> future = engine_->Append(ShardId{shard}, BytesOf(text));
  EXPECT_OK(future.status());
  if (!future.ok()) return Lsn();
  const absl::StatusOr<Lsn> lsn = future->Wait();
  EXPECT_OK(lsn.status());
  return lsn.value_or(Lsn());
}

std::vector<Replayed> EngineTest::Replay(uint32_t shard, Lsn from) {
  std::vector<Replayed> records;
  absl::StatusOr<std::unique_ptr<ShardReplay>> replay = engine_->Replay(ShardId{shard}, from);
  EXPECT_OK(replay.status());
  if (!replay.ok()) return records;
  RecordView record;
  while ((*replay)->Next(&record)) records.push_back({record.lsn, TextOf(record.payload)});
  EXPECT_OK((*replay)->status());
  return records;
}

std::vector<std::string> EngineTest::ReplayTexts(uint32_t shard) {
  std::vector<std::string> texts;
  for (Replayed& record : Replay(shard)) texts.push_back(std::move(record.text));
  return texts;
}

std::vector<std::string> EngineTest::FilesOnDisk() const {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
    if (!entry.is_regular_file()) continue;
    files.push_back(absl::StrCat(entry.path().string(), " ", entry.file_size()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> EngineTest::SegmentPaths(uint32_t shard) const {
  std::vector<std::string> paths;
  const std::string shard_directory = ShardDirectory(directory(), ShardId{shard});
  for (const auto& entry : std::filesystem::directory_iterator(shard_directory)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void RunInChild(const std::function<void()>& body) {
  std::fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    std::fflush(stdout);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "the child ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the child's expectations failed, see above";
}

}  // namespace corewal
