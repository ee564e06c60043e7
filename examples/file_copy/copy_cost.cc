#include "examples/file_copy/copy_cost.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "io_backend/file_system.h"

namespace corewal {
namespace {

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

// proc(5), /proc/stat: "cpu  user nice system idle iowait irq softirq ..."
std::optional<double> MachineBusy() {
  std::ifstream stat("/proc/stat");
  std::string name;
  double user, nice, system, idle, iowait, irq, softirq;
  if (!(stat >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq)) {
    return std::nullopt;
  }
  return (user + nice + system + irq + softirq) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

CpuSpent CpuSpent::SoFar() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  CpuSpent spent = {.user_s = Seconds(usage.ru_utime), .system_s = Seconds(usage.ru_stime)};
  if (const std::optional<double> busy = MachineBusy()) {
    spent.other_s = *busy - spent.user_s - spent.system_s;
  }
  return spent;
}

CpuSpent CpuSpent::operator-(const CpuSpent& earlier) const {
  CpuSpent difference = {.user_s = user_s - earlier.user_s,
                         .system_s = system_s - earlier.system_s};
  if (other_s && earlier.other_s) difference.other_s = *other_s - *earlier.other_s;
  return difference;
}

std::optional<uint64_t> PageCacheBytes(const std::string& path) {
  constexpr long kSysCachestat = 451;  // the same on every architecture
  struct {
    uint64_t offset, length;
  } range = {0, 0};  // the whole file
  struct {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages = {};
  const auto file = FileSystem::Host().Open(path, {});
  if (!file.ok() || syscall(kSysCachestat, file->fd(), &range, &pages, 0) != 0) {
    return std::nullopt;
  }
  return (pages.cached + pages.evicted) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void DropFromPageCache(const std::string& path) {
  const auto file = FileSystem::Host().Open(path, {});
  if (file.ok()) (void)posix_fadvise(file->fd(), 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace corewal
