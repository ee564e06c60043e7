// tools/log_check.h: reads a log back, record by record, and compares with what it should hold.
#ifndef COREWAL_TOOLS_LOG_CHECK_H_
#define COREWAL_TOOLS_LOG_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io_backend/storage_io_factory.h"
#include "tools/length_distribution.h"
#include "wal/lsn.h"

namespace corewal {

struct LogCheckOptions {
  std::string directory;  // of the log
  ShardId shard{};
  Lsn to{UINT64_MAX};
  IoBackend backend = IoBackend::kAuto;
  DirectMode direct = DirectMode::kAuto;
  // The log must hold exactly this many; none: any number.
  std::optional<uint64_t> records;
  // Called now and then with the payload bytes read so far.
  std::function<void(uint64_t)> watch = [](uint64_t) {};
};

struct LogCheckResult {
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  Lsn last_lsn;
  uint64_t errors = 0;
  std::string first_error;  // where, and what is wrong there

  void Merge(const LogCheckResult& other);
};

// Whether record `seq` of the shard is right.
using RecordCheck = std::function<bool(uint64_t seq, absl::Span<const std::byte> payload)>;

// The made-up records; their length is checked too from `lengths_from` on, where `lengths` hold.
RecordCheck MadeRecordCheck(ShardId shard, const LengthDistribution& lengths,
                            uint64_t lengths_from);

// Damage counts as an error; the status is for what kept us from reading.
absl::StatusOr<LogCheckResult> CheckLog(const LogCheckOptions& options, const RecordCheck& check);

}  // namespace corewal

#endif  // COREWAL_TOOLS_LOG_CHECK_H_
