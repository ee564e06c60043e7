// tools/crashed_writer.h: leaves a log behind as a crash would: written, durable, and not closed.
#ifndef COREWAL_TOOLS_CRASHED_WRITER_H_
#define COREWAL_TOOLS_CRASHED_WRITER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench_options.h"

namespace corewal {

// A child process streams what `options` asks for and ends by _exit. Returns how many records each
// shard got. Requires: the process has no other thread.
absl::StatusOr<std::vector<uint64_t>> WriteLogAndDie(const BenchOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_CRASHED_WRITER_H_
