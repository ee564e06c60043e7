#include "benchmarks/peers/disk_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/aligned_memory.h"
#include "base/clock.h"
#include "benchmarks/peers/die.h"
#include "tools/median.h"

namespace corewal::peers {

double ProbeDiskMicros(const std::string& directory) {
  constexpr size_t kWrites = 200;
  constexpr size_t kBlock = 4096;
  const std::string path = directory + "/probe";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
  if (fd < 0) DieOfErrno("open with O_DIRECT", path);
  const AlignedMemory memory = ValueOrDie(AlignedMemory::Allocate(kBlock * kWrites));
  std::memset(memory.data(), 'p', memory.size());
  const auto write_and_sync = [&](size_t bytes, size_t offset) {
    if (pwrite(fd, memory.data(), bytes, static_cast<off_t>(offset)) < 0) {
      DieOfErrno("pwrite", path);
    }
    if (fdatasync(fd) != 0) DieOfErrno("fdatasync", path);
  };
  write_and_sync(memory.size(), 0);
  std::vector<double> micros;
  for (size_t i = 0; i < kWrites; ++i) {
    const MonotonicNs begin = Clock::System().Now();
    write_and_sync(kBlock, kBlock * i);
    micros.push_back(static_cast<double>(Clock::System().Now() - begin) * 1e-3);
  }
  close(fd);
  unlink(path.c_str());
  return Median(micros);
}

}  // namespace corewal::peers
