#include "tools/log_check.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "io_backend/file_system.h"
#include "tools/interrupt.h"
#include "tools/made_record.h"
#include "wal/log_reader.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr uint64_t kWatchEveryRecords = 4096;

void AddError(LogCheckResult* result, std::string what) {
  if (result->errors++ == 0) result->first_error = std::move(what);
}

// What the reader's end says beyond the records.
absl::Status CheckEnd(const LogEndReport& end, LogCheckResult* result) {
  if (end.end == LogEnd::kFailed) return end.ToStatus();
  if (!end.ToStatus().ok()) AddError(result, end.ToString());
  return absl::OkStatus();
}

}  // namespace

void LogCheckResult::Merge(const LogCheckResult& other) {
  records += other.records;
  payload_bytes += other.payload_bytes;
  if (errors == 0) first_error = other.first_error;
  errors += other.errors;
}

RecordCheck MadeRecordCheck(ShardId shard, const LengthDistribution& lengths,
                            uint64_t lengths_from) {
  return [=](uint64_t seq, absl::Span<const std::byte> payload) {
    if (seq >= lengths_from && payload.size() != lengths.At(shard, seq)) return false;
    return VerifyMadeRecord(shard, seq, payload);
  };
}

absl::StatusOr<LogCheckResult> CheckLog(const LogCheckOptions& options, const RecordCheck& check) {
  StorageIoOptions io_options;
  io_options.backend = options.backend;
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, CreateStorageIo(io_options));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<LogReader> reader,
      LogReader::Open(FileSystem::Host(), *io, ShardDirectory(options.directory, options.shard),
                      {.to = options.to, .direct = options.direct}));
  LogCheckResult result;
  for (RecordView record; reader->Next(&record);) {
    const uint64_t seq = ++result.records;
    result.payload_bytes += record.payload.size();
    result.last_lsn = record.lsn;
    if (!check(seq, record.payload)) {
      AddError(&result, absl::StrCat("shard ", ToIndex(options.shard), " record ", seq, " at lsn ",
                                     record.lsn.value(), " in ", reader->segment_path(),
                                     " is not what was appended"));
    }
    if (seq % kWatchEveryRecords == 0) {
      options.watch(result.payload_bytes);
      if (Interrupted()) return absl::CancelledError("interrupted while reading back");
    }
  }
  RETURN_IF_ERROR(CheckEnd(reader->end(), &result));
  if (options.records.has_value() && result.records != *options.records) {
    AddError(&result, absl::StrCat("shard ", ToIndex(options.shard), " holds ", result.records,
                                   " records; ", *options.records, " were acknowledged"));
  }
  return result;
}

}  // namespace corewal
