// examples/file_copy/copy_cost.h: what a copy costs, as the kernel counts it.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_COST_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_COST_H_

#include <cstdint>
#include <optional>
#include <string>

namespace corewal {

// CPU time so far.
//
// user_s and system_s are getrusage(2)'s, with the ring's own threads: its workers and its poller
// are threads of the process. They cannot see what no process is charged for: interrupts, and the
// kernel's threads that write dirty pages back. Those are in other_s, together with every other
// process of the machine, so that it means something on an idle machine only; its unit is 10 ms.
struct CpuSpent {
  double user_s = 0;
  double system_s = 0;
  std::optional<double> other_s;  // busy time of all CPUs, less the two above; needs /proc/stat

  static CpuSpent SoFar();
  CpuSpent operator-(const CpuSpent& earlier) const;
};

// Bytes of a file that went through the page cache since it was last dropped from there: each was
// copied by a CPU, to or from the cache. cachestat(2), Linux 6.5; none where it is not to be had.
std::optional<uint64_t> PageCacheBytes(const std::string& path);

// Drops the file's clean pages from the page cache.
void DropFromPageCache(const std::string& path);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_COST_H_
