#include "tests/io_backend/storage_io_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "io_backend/sim_storage_io.h"

namespace corewal {
namespace {

constexpr int kSkipExitCode = 77;

// One for all settings that share a poller. Null where it is denied, as every poller is then.
std::shared_ptr<const SharedPoller> PollerToShare() {
  static const auto* const poller =
      new absl::StatusOr<std::shared_ptr<const SharedPoller>>(CreateSharedPoller());
  return poller->ok() ? **poller : nullptr;
}

}  // namespace

std::vector<StorageIoSetting> AllSettings() {
  std::vector<StorageIoSetting> settings;
  const auto add = [&](const StorageIoSetting& base) {
    StorageIoSetting setting = base;
    setting.options.buffer_bytes = 64 << 10;
    setting.name = base.name + "_buffered";
    setting.direct = DirectMode::kOff;
    settings.push_back(setting);
    setting.name = base.name + "_direct";
    setting.direct = DirectMode::kOn;
    settings.push_back(setting);
  };
  add({.name = "posix", .options = {.backend = IoBackend::kPosix}});
  for (const RingMode mode :
       {RingMode::kPlain, RingMode::kCoopTaskrun, RingMode::kDeferTaskrun, RingMode::kSqpoll}) {
    const Want sqpoll = mode == RingMode::kSqpoll ? Want::kOn : Want::kOff;
    for (const Want registered : {Want::kOn, Want::kOff}) {
      add({.name = absl::StrCat("uring_", RingModeName(mode),
                                registered == Want::kOn ? "_registered" : "_unregistered"),
           .options = {.backend = IoBackend::kUring,
                       .registered_buffers = registered,
                       .registered_files = registered,
                       .sqpoll = sqpoll},
           .tuning = {.best = mode, .worst = mode}});
    }
  }
  add({.name = "uring_sqpoll_shared",
       .options = {.backend = IoBackend::kUring,
                   .registered_buffers = Want::kOn,
                   .registered_files = Want::kOn,
                   .sqpoll = Want::kOn,
                   .shared_poller = PollerToShare()},
       .tuning = {.best = RingMode::kSqpoll, .worst = RingMode::kSqpoll}});
  for (const Want registered : {Want::kOn, Want::kOff}) {
    add({.name = registered == Want::kOn ? "uring_ring_reads_registered"
                                         : "uring_ring_reads_unregistered",
         .options = {.backend = IoBackend::kUring,
                     .read_buffers = ReadBuffers::kRing,
                     .registered_buffers = registered,
                     .registered_files = registered}});
  }
  return settings;
}

std::vector<StorageIoSetting> AllAndSimSettings() {
  std::vector<StorageIoSetting> settings = AllSettings();
  for (const DirectMode direct : {DirectMode::kOff, DirectMode::kOn}) {
    settings.push_back({.name = direct == DirectMode::kOn ? "sim_direct" : "sim_buffered",
                        .options = {.buffer_bytes = 64 << 10},
                        .direct = direct,
                        .sim = true});
  }
  return settings;
}

std::string SettingName(const testing::TestParamInfo<StorageIoSetting>& info) {
  return info.param.name;
}

void StorageIoTest::MakeDirectory() {
  if (GetParam().sim) {
    disk_ = std::make_unique<SimDisk>(1);
    sim_files_ = std::make_unique<SimFileSystem>(*disk_);
    directory_ = "/files";
    ASSERT_OK(files().CreateDirectories(directory_));
    return;
  }
  const char* const scratch = getenv("TEST_TMPDIR");
  std::string pattern =
      absl::StrCat(scratch != nullptr ? scratch : testing::TempDir(), "/storage_io.XXXXXX");
  ASSERT_NE(mkdtemp(pattern.data()), nullptr) << pattern << ": " << strerror(errno);
  directory_ = pattern;
}

void StorageIoTest::SetUp() {
  ASSERT_NO_FATAL_FAILURE(MakeDirectory());
  if (GetParam().direct == DirectMode::kOn) {
    const auto probe = files().Open(
        Path("probe"), {.access = OpenOptions::Access::kCreate, .direct = DirectMode::kOn});
    if (!probe.ok()) GTEST_SKIP() << probe.status();
  }
  auto created = Create(options());
  if (created.status().code() == absl::StatusCode::kFailedPrecondition) {
    GTEST_SKIP() << created.status();
  }
  ASSERT_OK(created.status());
  io_ = *std::move(created);
}

void StorageIoTest::TearDown() {
  io_.reset();
  if (!GetParam().sim) std::filesystem::remove_all(directory_);
}

FileSystem& StorageIoTest::files() const {
  if (GetParam().sim) return *sim_files_;
  return FileSystem::Host();
}

absl::StatusOr<std::unique_ptr<StorageIo>> StorageIoTest::Create(
    const StorageIoOptions& options) const {
  if (GetParam().sim) return SimStorageIo::Create(*sim_files_, options);
  if (GetParam().uring()) return UringStorageIo::Create(options, GetParam().tuning);
  return CreateStorageIo(options);
}

void StorageIoTest::Recreate(const StorageIoOptions& options) {
  io_.reset();
  auto created = Create(options);
  ASSERT_OK(created.status());
  io_ = *std::move(created);
}

OpenFile StorageIoTest::CreateFile(const std::string& name) {
  return Open(name, OpenOptions::Access::kCreate);
}

OpenFile StorageIoTest::Open(const std::string& name, OpenOptions::Access access) {
  auto file = files().Open(Path(name), {.access = access, .direct = GetParam().direct});
  EXPECT_OK(file.status());
  return file.ok() ? *std::move(file) : OpenFile();
}

FileHandle StorageIoTest::Register(OpenFile file) {
  auto handle = io_->RegisterFile(file);
  EXPECT_OK(handle.status());
  return handle.ok() ? *handle : FileHandle();
}

BufferLease StorageIoTest::Filled(char fill, uint32_t length) {
  auto lease = io_->AcquireBuffer();
  EXPECT_OK(lease.status());
  if (!lease.ok()) return BufferLease();
  std::memset(lease->data(), fill, length);
  return *std::move(lease);
}

void StorageIoTest::StageWrite(FileHandle file, uint64_t offset, char fill, uint64_t tag,
                               WriteMode mode) {
  const WriteOp op = {
      .file = file, .offset = FileOffset(offset), .length = kBlock, .mode = mode, .tag = tag};
  ASSERT_OK(io_->Write(op, Filled(fill, kBlock)).status());
}

absl::StatusOr<OpToken> StorageIoTest::WriteBlock(FileHandle file, BufferLease&& lease) {
  return io_->Write({.file = file, .length = kBlock}, std::move(lease));
}

std::vector<Completion> StorageIoTest::WaitFor(size_t count) {
  std::vector<Completion> all;
  while (all.size() < count) {
    EXPECT_OK(io_->Wait(static_cast<uint32_t>(count - all.size()), kNever));
    std::vector<Completion> some(count - all.size());
    const size_t polled = io_->Poll(absl::MakeSpan(some));
    if (polled == 0) {
      ADD_FAILURE() << "Wait returned, but " << count - all.size() << " completions are missing";
      break;
    }
    std::move(some.begin(), some.begin() + polled, std::back_inserter(all));
  }
  return all;
}

Completion StorageIoTest::WaitForOne() {
  std::vector<Completion> one = WaitFor(1);
  return one.empty() ? Completion{.error = ENODATA} : std::move(one[0]);
}

void StorageIoTest::WriteAndWait(FileHandle file, uint64_t offset, uint32_t length, char fill) {
  ASSERT_OK(io_->Write({.file = file, .offset = FileOffset(offset), .length = length},
                       Filled(fill, length))
                .status());
  const Completion written = WaitForOne();
  EXPECT_EQ(written.error, 0) << strerror(written.error);
  EXPECT_EQ(written.bytes, length);
}

uint64_t StorageIoTest::FileSize(const std::string& name) const {
  const auto file = files().Open(Path(name), {});
  EXPECT_OK(file.status());
  return file.ok() ? file->facts().size_bytes : 0;
}

std::string StorageIoTest::Content(const std::string& name) const {
  auto content = files().ReadSmallFile(Path(name), UINT32_MAX);
  EXPECT_OK(content.status());
  return content.ok() ? *std::move(content) : std::string();
}

bool StorageIoTest::IsOpen(int fd) const {
  if (GetParam().sim) return sim_files_->IsOpen(fd);
  return fcntl(fd, F_GETFD) != -1 || errno != EBADF;
}

testing::AssertionResult StorageIoTest::NobodyElseHas(const OpenFile& file) const {
  bool alone = GetParam().sim && sim_files_->OpenCount(file.path()) == 1;
  // A write lease is granted only where no other open of the file exists, be it in a ring. A
  // poller drops its last reference a moment after the completion.
  for (int i = 0; i < 1'000'000 && !alone && !GetParam().sim; ++i) {
    alone = fcntl(file.fd(), F_SETLEASE, F_WRLCK) == 0;
    if (GetParam().options.sqpoll != Want::kOn) break;
    sched_yield();
  }
  if (alone) return testing::AssertionSuccess();
  return testing::AssertionFailure() << file.path() << ": " << strerror(errno);
}

int64_t StorageIoTest::DirtyPages(const OpenFile& file) const {
  if (GetParam().sim) {
    constexpr uint64_t kSectors = kBlock / SimFile::kSectorBytes;
    return static_cast<int64_t>((disk_->UnsyncedSectors(file.path()) + kSectors - 1) / kSectors);
  }
  constexpr long kSysCachestat = 451;
  struct {
    uint64_t offset, length;
  } range = {0, 0};  // the whole file
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } answer = {};
  if (syscall(kSysCachestat, file.fd(), &range, &answer, 0) != 0) return -1;
  return static_cast<int64_t>(answer.dirty + answer.writeback);
}

void SkipFromChild(const std::string& reason) {
  std::printf("skipped: %s\n", reason.c_str());
  std::fflush(nullptr);
  _exit(kSkipExitCode);
}

void RunInChild(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0) << strerror(errno);
  if (child == 0) {
    body();
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);  // no destructors of the parent's objects
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) ASSERT_EQ(errno, EINTR);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipExitCode) {
    GTEST_SKIP() << "the child said why, above";
  }
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the child's failures above";
}

bool AllBytesAre(const BufferLease& buffer, char fill, uint32_t length) {
  return std::all_of(buffer.data(), buffer.data() + length,
                     [fill](std::byte b) { return b == static_cast<std::byte>(fill); });
}

}  // namespace corewal
