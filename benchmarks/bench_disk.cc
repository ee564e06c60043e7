#include "benchmarks/bench_disk.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <climits>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace corewal {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// "vda, write back": the block device below the current directory and its cache.
std::string Device() {
  struct stat facts = {};
  if (stat(".", &facts) != 0) return "unknown";
  char path[PATH_MAX];
  const std::string link =
      absl::StrCat("/sys/dev/block/", major(facts.st_dev), ":", minor(facts.st_dev));
  if (realpath(link.c_str(), path) == nullptr) return "none (memory, network or overlay)";
  const std::string block(path);
  std::string cache = FirstLine(block + "/queue/write_cache");
  if (cache.empty()) cache = FirstLine(block + "/../queue/write_cache");
  return absl::StrCat(block.substr(block.rfind('/') + 1), ", ", cache);
}

}  // namespace

void AddDiskContext() {
  utsname kernel = {};
  uname(&kernel);
  benchmark::AddCustomContext("kernel", kernel.release);
  benchmark::AddCustomContext("file_system", FileSystem::Host().TypeName("."));
  benchmark::AddCustomContext("device", Device());
}

OpenFile MakeBenchFile(uint64_t bytes, bool direct) {
  const std::string path = absl::StrCat("corewal_benchmark.", getpid());
  {
    auto made = FileSystem::Host().Open(path, {.access = OpenOptions::Access::kCreate});
    CHECK_OK(made.status());
    const std::string piece(1 << 20, 'x');
    for (uint64_t at = 0; at < bytes; at += piece.size()) {
      CHECK_EQ(pwrite(made->fd(), piece.data(), piece.size(), static_cast<off_t>(at)),
               static_cast<ssize_t>(piece.size()));
    }
    CHECK_EQ(fsync(made->fd()), 0);
  }
  auto file =
      FileSystem::Host().Open(path, {.access = OpenOptions::Access::kReadWrite,
                                     .direct = direct ? DirectMode::kOn : DirectMode::kOff});
  CHECK_OK(FileSystem::Host().Remove(path));
  CHECK_OK(file.status());
  return *std::move(file);
}

}  // namespace corewal
