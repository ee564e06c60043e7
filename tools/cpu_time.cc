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
void ReadMachine(CpuTime* time) {
  std::ifstream stat("/proc/stat");
  std::string name;
  double user, nice, system, idle, iowait, irq, softirq, steal;
  if (!(stat >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal)) {
    return;
  }
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  time->machine_s = (user + nice + system + irq + softirq) / ticks;
  time->stolen_s = steal / ticks;
}

std::optional<double> Minus(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional<double>(*a - *b) : std::nullopt;
}

void Add(const std::optional<double>& more, std::optional<double>* sum) {
  if (more) *sum = sum->value_or(0) + *more;
}

}  // namespace

CpuTime CpuTime::Now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  CpuTime now;
  now.process_s = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  ReadMachine(&now);
  return now;
}

CpuTime CpuTime::operator-(const CpuTime& earlier) const {
  return {process_s - earlier.process_s, Minus(machine_s, earlier.machine_s),
          Minus(stolen_s, earlier.stolen_s)};
}

CpuTime& CpuTime::operator+=(const CpuTime& more) {
  process_s += more.process_s;
  Add(more.machine_s, &machine_s);
  Add(more.stolen_s, &stolen_s);
  return *this;
}

}  // namespace corewal
