// benchmarks/peers/io_counters.h: the writes and syncs that this process asked the kernel for.
//
// Linking it in replaces libc's functions by ones that count and then do the plain system call. The
// executable's definitions win over libc's for every shared library, so they see each engine that
// runs in this process. pwritev and what is newer are not replaced.
#ifndef COREWAL_BENCHMARKS_PEERS_IO_COUNTERS_H_
#define COREWAL_BENCHMARKS_PEERS_IO_COUNTERS_H_

#include <cstdint>

namespace corewal::peers {

struct IoCounters {
  uint64_t syncs = 0;  // fsync and fdatasync
  uint64_t writes = 0;
  uint64_t bytes_written = 0;
};

// Since the program began. Any thread.
IoCounters ReadIoCounters();

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_IO_COUNTERS_H_
