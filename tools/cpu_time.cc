#include "tools/cpu_time.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace corewal {
namespace {

double Seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

// proc(5), /proc/stat: "cpu  user nice system idle iowait irq softirq steal ..."
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

CpuTime CpuTime::Now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {Seconds(usage.ru_utime) + Seconds(usage.ru_stime), MachineBusy()};
}

CpuTime CpuTime::operator-(const CpuTime& earlier) const {
  CpuTime difference{process_s - earlier.process_s, std::nullopt};
  if (machine_s && earlier.machine_s) difference.machine_s = *machine_s - *earlier.machine_s;
  return difference;
}

CpuTime& CpuTime::operator+=(const CpuTime& more) {
  process_s += more.process_s;
  if (more.machine_s) machine_s = machine_s.value_or(0) + *more.machine_s;
  return *this;
}

}  // namespace corewal
