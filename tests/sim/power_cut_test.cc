// Power cuts of a real block device with a volatile write cache, while wal-bench writes a log.
//
//   wal-bench -> ext4 "inner" -> loop B -> file in ext4 "outer" -> loop A (direct) -> image file
//                                          its page cache is B's volatile cache; a flush empties it
//
// What B has not flushed is in the image or not, block by block, as the kernel's writeback had it.
// A cut: the writer is stopped at some moment, and the image file is copied while A is at rest (its
// counters must not move meanwhile, else the copy is thrown away). From each copy the outer and the
// inner journal are replayed by mounting, and wal-dump must find everything that had been
// acknowledged before the cut, and nothing else; then wal-bench must go on in that log.
//
// Everything is mounted in a mount namespace of this process, and loop devices are freed with their
// last mount: nothing is left behind, however it ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

constexpr int kCuts = 6;
constexpr auto kPatience = std::chrono::seconds(120);

// Runs a shell command; its standard output, or "FAILED (code): output".
std::string Sh(const std::string& command, int* exit_code = nullptr) {
  FILE* const pipe = popen(absl::StrCat("{ ", command, "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) return "FAILED: popen";
  std::string output;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, n);
  const int status = pclose(pipe);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  if (exit_code != nullptr) *exit_code = code;
  if (code != 0 && exit_code == nullptr) {
    return absl::StrCat("FAILED (", code, "): ", command, ": ", output);
  }
  return std::string(absl::StripAsciiWhitespace(output));
}
bool Failed(const std::string& output) { return output.rfind("FAILED", 0) == 0; }

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

// Mounts `image` at `at` through a loop device that goes with the mount. Returns the device, or
// what failed.
std::string MountImage(const std::string& image, const std::string& at, const char* loop_flags,
                       bool format) {
  std::filesystem::create_directories(at);
  const std::string device =
      Sh(absl::StrCat("/usr/sbin/losetup --find --show ", loop_flags, " ", image));
  if (Failed(device)) return device;
  std::string done;
  if (format) done = Sh(absl::StrCat("/usr/sbin/mkfs.ext4 -q -F -m 0 ", device));
  if (!Failed(done)) done = Sh(absl::StrCat("mount ", device, " ", at));
  const std::string freed = Sh(absl::StrCat("/usr/sbin/losetup --detach ", device));  // when unused
  return Failed(done) ? done : Failed(freed) ? freed : device;
}

// A loop device is freed some time after its mount went, and holds the one below until then.
void Unmount(const std::string& at) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (umount(at.c_str()) != 0 && errno == EBUSY) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << at << " stays busy";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

class PowerCutTest : public testing::Test {
 protected:
  void SetUp() override {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no private mounts: " << strerror(errno);
    }
    std::string made = Sh(absl::StrCat("fallocate --length 112M ", image()));
    if (!Failed(made)) made = MountImage(image(), outer(), "--direct-io=on", true);
    if (Failed(made)) GTEST_SKIP() << "no loop device to mount: " << made;
    device_ = made.substr(strlen("/dev/"));
    made = Sh(absl::StrCat("dd if=/dev/zero of=", outer(), "/inner.img bs=1M count=64 conv=fsync"));
    ASSERT_FALSE(Failed(made)) << made;
    made = MountImage(outer() + "/inner.img", inner(), "--direct-io=off", true);
    ASSERT_FALSE(Failed(made)) << made;
    Sh("sync");
  }
  void TearDown() override {
    StopWriter();
    Unmount(inner());
    Unmount(outer());
  }

  std::string image() const { return directory_.path() + "/disk.img"; }
  std::string outer() const { return directory_.path() + "/outer"; }
  std::string inner() const { return directory_.path() + "/inner"; }
  std::string acks() const { return directory_.path() + "/acks"; }

  void StartWriter() {
    writer_ = fork();
    ASSERT_GE(writer_, 0);
    if (writer_ != 0) return;
    const std::string directory = absl::StrCat("--dir=", inner(), "/log");
    const std::string acks_flag = absl::StrCat("--acks=", acks());
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    execl("tools/wal-bench", "wal-bench", "--workload=commit", directory.c_str(), acks_flag.c_str(),
          "--keep", "--nofloor", "--noverify", "--clients=3", "--inflight=2",
          "--record_bytes=100-3000", "--segment_mb=1", "--seconds=600", "--mb=24", nullptr);
    _exit(127);
  }
  void StopWriter() {
    if (writer_ <= 0) return;
    kill(writer_, SIGKILL);
    waitpid(writer_, nullptr, 0);
    writer_ = -1;
  }
  // Until something new was acknowledged, and a random while longer.
  bool WaitForAcks(size_t beyond) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (ReadFile(acks()).size() <= beyond) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % 30));
    return true;
  }

  // The image as it is at one moment. False: the device did not come to rest.
  bool CutPower(const std::string& copy) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const std::string stat = absl::StrCat("/sys/block/", device_, "/stat");
    do {
      const std::string before = ReadFile(stat);
      const std::string inflight = ReadFile(absl::StrCat("/sys/block/", device_, "/inflight"));
      const bool at_rest = inflight.find_first_of("123456789") == std::string::npos;
      if (at_rest && !Failed(Sh(absl::StrCat("cp --sparse=always ", image(), " ", copy))) &&
          ReadFile(stat) == before) {
        return true;
      }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }

  void CheckCut(const std::string& copy, const std::string& acks_file) {
    const std::string outer_again = copy + ".outer", inner_again = copy + ".inner";
    std::string mounted = MountImage(copy, outer_again, "", false);
    ASSERT_FALSE(Failed(mounted)) << mounted;
    mounted = MountImage(outer_again + "/inner.img", inner_again, "", false);
    ASSERT_FALSE(Failed(mounted)) << mounted;
    const std::string log = inner_again + "/log";
    int code = -1;
    std::string output =
        Sh(absl::StrCat("tools/wal-dump --check_acks=", acks_file, " ", log), &code);
    EXPECT_EQ(code, 0) << output;
    output = Sh(absl::StrCat("tools/wal-bench --workload=commit --resume --keep --nofloor ",
                             "--records=20 --segment_mb=1 --dir=", log),
                &code);
    EXPECT_EQ(code, 0) << output;
    unsynced_lost_ += ReadFile(inner_again + "/unsynced").empty() ? 1 : 0;
    Unmount(inner_again);
    Unmount(outer_again);
    std::filesystem::remove(copy);
  }

  const TempDirectory directory_;
  std::string device_;  // loop A
  pid_t writer_ = -1;
  std::mt19937 random_{std::random_device()()};
  int unsynced_lost_ = 0;
};

TEST_F(PowerCutTest, WhatWasAcknowledgedIsInTheImage) {
  ASSERT_NO_FATAL_FAILURE(StartWriter());
  size_t acknowledged = 0;
  for (int cut = 0; cut < kCuts; ++cut) {
    SCOPED_TRACE(absl::StrCat("cut ", cut));
    ASSERT_TRUE(WaitForAcks(acknowledged)) << "the writer acknowledges nothing";
    // To see that a cut does lose what nobody synced.
    std::ofstream(inner() + "/unsynced") << std::string(100'000, 'u');
    ASSERT_EQ(kill(writer_, SIGSTOP), 0);
    const std::string told = ReadFile(acks());
    acknowledged = told.size();
    const std::string copy = absl::StrCat(directory_.path(), "/cut", cut);
    std::ofstream(copy + ".acks") << told.substr(0, told.rfind('\n') + 1);
    ASSERT_TRUE(CutPower(copy)) << "the device is never at rest";
    ASSERT_NO_FATAL_FAILURE(CheckCut(copy, copy + ".acks"));
    // Not before: however fast the disk, there is to be something left to write for all cuts.
    ASSERT_EQ(kill(writer_, SIGCONT), 0);
    std::filesystem::remove(inner() + "/unsynced");
  }
  EXPECT_GT(unsynced_lost_, 0) << "else the copies are not what a power cut leaves";
}

}  // namespace
}  // namespace corewal
