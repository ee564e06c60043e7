// A full disk is told to who appends, costs nobody what was acknowledged, and is not the end: on a
// small ext4 behind a loop device where mounting one is allowed, else on a small tmpfs. Each test
// mounts its own in a child with a mount namespace of its own, which takes the mount with it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "tests/engine/engine_fixture.h"

namespace corewal {
namespace {

constexpr size_t kRecordBytes = 20'000;

class EngineFullDiskTest : public EngineTest {
 protected:
  // Runs `body` in a child, on a file system of some MiB mounted where the log will be.
  void OnSmallDisk(const std::function<void()>& body) {
    RunInChild([&] {
      const std::string why_not = MountSmall();
      if (!why_not.empty()) {
        std::ofstream(WhyNotPath()) << why_not;
        return;
      }
      body();
      engine_.reset();
    });
    std::string why_not;
    if (std::getline(std::ifstream(WhyNotPath()), why_not)) GTEST_SKIP() << why_not;
  }

  std::string WhyNotPath() const { return directory() + ".why-not"; }
  std::string BallastPath() const { return directory() + "/ballast"; }
  // Takes all that is left. An engine that is open gives back a little later what it had taken for
  // a segment that it could not make; what is free then is not enough for one.
  void FillWithBallast() {
    const int fd = open(BallastPath().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    const std::string block(4096, 'b');
    for (const size_t bytes : {4096, 512, 1}) {
      while (write(fd, block.data(), bytes) > 0) {
      }
      EXPECT_EQ(errno, ENOSPC);
    }
    close(fd);
  }
  uint64_t FreeBlocks() const {
    struct statvfs facts;
    EXPECT_EQ(statvfs(directory().c_str(), &facts), 0);
    return facts.f_bavail;
  }

  static std::string Record(size_t number) {
    return absl::StrCat(number, ":",
                        std::string(kRecordBytes, static_cast<char>('a' + number % 26)));
  }
  absl::Status TryAppend() {
    const std::string record = Record(attempts_++);
    absl::StatusOr<AppendFuture> future = engine().Append(ShardId{0}, BytesOf(record));
    if (!future.ok()) return future.status();
    const absl::StatusOr<Lsn> lsn = future->Wait();
    if (lsn.ok()) acknowledged_.push_back({*lsn, record});
    return lsn.status();
  }
  // Appends until that is refused; the refusal.
  absl::Status AppendUntilRefused() {
    for (int i = 0; i < 10'000; ++i) {
      if (absl::Status tried = TryAppend(); !tried.ok()) return tried;
    }
    return absl::OkStatus();
  }
  // The engine tries for space by itself, a few times a second.
  void AppendOnceThereIsSpace() {
    absl::Status tried = absl::ResourceExhaustedError("");
    while (absl::IsResourceExhausted(tried)) tried = TryAppend();
    EXPECT_OK(tried);
  }

  std::vector<Replayed> acknowledged_;

 private:
  // "" after mounting at directory(), else why not.
  std::string MountSmall() {
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
      return absl::StrCat("no mount namespace: ", strerror(errno));
    }
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return absl::StrCat("no private mounts: ", strerror(errno));
    }
    mkdir(directory().c_str(), 0700);
    const std::string image = directory() + ".image";
    const std::string mount_ext4 = absl::StrCat(
        "{ truncate -s 8M ", image, " && /usr/sbin/mkfs.ext4 -q -F -O ^has_journal -m 0 ", image,
        " && mount -o loop ", image, " ", directory(), "; } >/dev/null 2>&1");
    const bool ext4 = std::system(mount_ext4.c_str()) == 0;  // NOLINT(cert-env33-c)
    std::printf("small disk: %s\n", ext4 ? "ext4" : "tmpfs");
    if (ext4 || mount("tmpfs", directory().c_str(), "tmpfs", 0, "size=6m") == 0) return "";
    return absl::StrCat("neither ext4 nor tmpfs can be mounted: ", strerror(errno));
  }

  size_t attempts_ = 0;
};

TEST_P(EngineFullDiskTest, AppendsAreRefusedUntilSpaceReturnsAndNothingAcknowledgedIsLost) {
  OnSmallDisk([this] {
    Open(options());
    ASSERT_OK(TryAppend());
    FillWithBallast();
    const absl::Status refused = AppendUntilRefused();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_NE(refused.message().find(strerror(ENOSPC)), absl::string_view::npos) << refused;
    EXPECT_OK(engine().info(ShardId{0}).failure);
    EXPECT_GT(engine().durable_lsn(ShardId{0}), acknowledged_.back().lsn);
    ASSERT_EQ(unlink(BallastPath().c_str()), 0);
    AppendOnceThereIsSpace();
    Reopen(options());
    EXPECT_EQ(Replay(0), acknowledged_);
  });
}

TEST_P(EngineFullDiskTest, TruncationMakesRoom) {
  OnSmallDisk([this] {
    Open(options());
    for (int i = 0; i < 100; ++i) ASSERT_OK(TryAppend());
    FillWithBallast();
    for (int round = 0; round < 3; ++round) {
      const absl::Status refused = AppendUntilRefused();
      EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
      ASSERT_OK(engine().TruncateBefore(ShardId{0}, acknowledged_.back().lsn));
      AppendOnceThereIsSpace();
    }
    Reopen(options());
    const std::vector<Replayed> left = Replay(0);
    ASSERT_LT(left.size(), acknowledged_.size());
    EXPECT_EQ(left, std::vector(acknowledged_.end() - static_cast<long>(left.size()),
                                acknowledged_.end()));
  });
}

TEST_P(EngineFullDiskTest, OpeningAndReplayingNeedNoSpace) {
  OnSmallDisk([this] {
    Open(options());
    FillWithBallast();
    EXPECT_TRUE(absl::IsResourceExhausted(AppendUntilRefused()));
    Close();
    for (int i = 0; i < 3; ++i) {
      FillWithBallast();  // closing gave some back
      EXPECT_EQ(FreeBlocks(), 0u);
      Open(options());
      EXPECT_EQ(Replay(0), acknowledged_);
      EXPECT_TRUE(absl::IsResourceExhausted(AppendUntilRefused()));
      Close();
    }
    ASSERT_EQ(unlink(BallastPath().c_str()), 0);
    Open(options());
    AppendOnceThereIsSpace();
    Reopen(options());
    EXPECT_EQ(Replay(0), acknowledged_);
  });
}

TEST_P(EngineFullDiskTest, ProcessThatDiesOnAFullDiskRecoversOnIt) {
  OnSmallDisk([this] {
    void* const shared =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    auto* const acknowledged = static_cast<size_t*>(shared);
    RunInChild([&] {
      Open(options());
      FillWithBallast();
      EXPECT_TRUE(absl::IsResourceExhausted(AppendUntilRefused()));
      *acknowledged = acknowledged_.size();
      std::fflush(stdout);
      _exit(HasFailure() ? 1 : 0);  // without closing anything
    });
    FillWithBallast();
    Open(options());
    const std::vector<Replayed> left = Replay(0);
    EXPECT_GT(*acknowledged, 0u);
    EXPECT_EQ(left.size(), *acknowledged);
    for (size_t i = 0; i < left.size(); ++i) EXPECT_EQ(left[i].text, Record(i));
    Reopen(options());
    EXPECT_EQ(Replay(0), left);
  });
}

// A limit of the process on a file's size fails writes beyond it in either shard's segment, but
// only one of the shards gets that far.
TEST_P(EngineFullDiskTest, ShardThatFailedDoesNotStopTheOthers) {
  RunInChild([this] {
    signal(SIGXFSZ, SIG_IGN);
    Open(options(2));
    const Lsn survives = AppendAndWait(0, "before the limit");
    AppendAndWait(1, "before the limit");
    const rlimit limit = {64 << 10, 64 << 10};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const absl::Status failed = AppendUntilRefused();
    EXPECT_FALSE(failed.ok());
    EXPECT_FALSE(absl::IsResourceExhausted(failed)) << failed;
    EXPECT_NE(failed.message().find("shard-0000"), absl::string_view::npos) << failed;
    EXPECT_EQ(TryAppend(), failed) << "the first cause stays";
    EXPECT_EQ(engine().TruncateBefore(ShardId{0}, survives), failed);
    AppendAndWait(1, "goes on");
    EXPECT_OK(engine().info(ShardId{1}).failure);
    EXPECT_EQ(engine().Close(), failed);
    EXPECT_EQ(engine().info(ShardId{0}).failure, failed);
    engine_.reset();
    Open(options(2));
    const std::vector<std::string> texts = ReplayTexts(0);
    ASSERT_EQ(texts.size(), acknowledged_.size() + 1);
    EXPECT_EQ(ReplayTexts(1), (std::vector<std::string>{"before the limit", "goes on"}));
    engine_.reset();
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, EngineFullDiskTest, testing::ValuesIn(AllEngineSettings()),
                         EngineSettingName);

}  // namespace
}  // namespace corewal
