// tools/cpu_time.h: CPU time of this process, and of everything else on the machine.
//
// The process's time includes its io_uring kernel threads: the SQPOLL thread and the io-wq workers
// are threads of the process since Linux 5.12, and getrusage(2) counts them (checked on 6.18: one
// second of an idle SQPOLL thread's spinning shows as one second). It does not include what no
// process is charged for: interrupts, and the file system's and the block layer's own workers.
#ifndef COREWAL_TOOLS_CPU_TIME_H_
#define COREWAL_TOOLS_CPU_TIME_H_

#include <optional>

namespace corewal {

struct CpuTime {
  double process_s = 0;             // user and system
  std::optional<double> machine_s;  // all CPUs, busy; none without /proc/stat
  std::optional<double> stolen_s;   // wanted by this machine, given to others by its host

  static CpuTime Now();
  CpuTime operator-(const CpuTime& earlier) const;
  CpuTime& operator+=(const CpuTime& more);
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_CPU_TIME_H_
