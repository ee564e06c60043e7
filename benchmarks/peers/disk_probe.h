// benchmarks/peers/disk_probe.h: the state of the disk just now, to read a run's latencies beside.
#ifndef COREWAL_BENCHMARKS_PEERS_DISK_PROBE_H_
#define COREWAL_BENCHMARKS_PEERS_DISK_PROBE_H_

#include <string>

namespace corewal::peers {

// Median microseconds of 200 times a 4 KiB O_DIRECT write and an fdatasync into a small file,
// written before, in `directory`. The file is removed.
double ProbeDiskMicros(const std::string& directory);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_DISK_PROBE_H_
