// benchmarks/bench_disk.h: the disk of the current directory, and a file to measure on.
#ifndef COREWAL_BENCHMARKS_BENCH_DISK_H_
#define COREWAL_BENCHMARKS_BENCH_DISK_H_

#include <cstdint>
#include <string>

#include "io_backend/file_system.h"

namespace corewal {

// Adds file system, device and kernel to the lines that a benchmark program begins with.
void AddDiskContext();

// A file in the current directory, written through and synced, so that all of its blocks are
// allocated and initialised; gone at once except for its descriptor.
OpenFile MakeBenchFile(uint64_t bytes, bool direct);

}  // namespace corewal

#endif  // COREWAL_BENCHMARKS_BENCH_DISK_H_
