// examples/rocksdb_log/log_comparison.h: RocksDB with corewal as its log, beside RocksDB with its
// own log and sync on: the same puts, by turns, in one run.
#ifndef COREWAL_EXAMPLES_ROCKSDB_LOG_LOG_COMPARISON_H_
#define COREWAL_EXAMPLES_ROCKSDB_LOG_LOG_COMPARISON_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/status.h"

struct LogComparisonOptions {
  std::string directory;  // of both databases, which stay there
  double seconds = 1;     // of each turn, more than 0
  int rounds = 5;         // each has a turn of both, in alternating order; at least 1
};

// Clients put one key (16 bytes, random) with a value of 100 bytes at a time, and wait until it is
// durable. Prints medians over the rounds, and of each round's ratio.
absl::Status CompareLogs(const LogComparisonOptions& options, std::FILE* out);

#endif  // COREWAL_EXAMPLES_ROCKSDB_LOG_LOG_COMPARISON_H_
