#include "wal/recovery.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "wal/log_scanner.h"
#include "wal/segment_chain.h"

namespace corewal {

absl::StatusOr<RecoveredLog> RecoverLog(FileSystem& files, StorageIo& io,
                                        const std::string& directory, const LogUuid& uuid,
                                        RecoveryMode mode) {
  ASSIGN_OR_RETURN(std::vector<SegmentFile> segments, ListSegments(files, io, directory));
  RETURN_IF_ERROR(CheckSameLog(segments, uuid));
  RecoveredLog recovered;
  for (const SegmentFile& segment : segments) {
    if (segment.rule != FormatRule::kOk) continue;
    recovered.last_incarnation = std::max(recovered.last_incarnation, segment.header.incarnation);
  }

  LogScanner::Options options;
  const ScanStart start = FindScanStart(segments);
  options.first = start.segment;
  options.proven = start.durable;
  // A header knows the epoch of everything before its segment, of which nothing may be read here.
  if (start.segment > 0) recovered.last_epoch = segments[start.segment].header.epoch;
  ASSIGN_OR_RETURN(std::unique_ptr<LogScanner> scanner,
                   LogScanner::Create(files, io, std::move(segments), options));
  for (bool goes_on = true; goes_on;) {
    while (scanner->Next()) {
      recovered.last_epoch = std::max(recovered.last_epoch, scanner->batch().header.epoch);
    }
    if (mode != RecoveryMode::kSkipDamaged || scanner->end().end != LogEnd::kDamaged) break;
    SkippedRange skipped;
    ASSIGN_OR_RETURN(goes_on, scanner->SkipDamage(&skipped));
    if (goes_on) recovered.skipped.push_back(std::move(skipped));
  }
  recovered.end = scanner->end();
  if (recovered.end.end == LogEnd::kFailed ||
      (recovered.end.end == LogEnd::kDamaged && mode == RecoveryMode::kStrict)) {
    return recovered.end.ToStatus();
  }
  const std::vector<SegmentFile>& all = scanner->segments();
  const auto live_end = all.begin() + static_cast<std::ptrdiff_t>(scanner->live());
  // In the middle of the log only skipped damage has no header.
  std::copy_if(all.begin(), live_end, std::back_inserter(recovered.live),
               [](const SegmentFile& segment) { return segment.started(); });
  recovered.spare.assign(live_end, all.end());
  for (const SegmentFile& segment : recovered.live) {
    recovered.last_epoch = std::max(recovered.last_epoch, segment.header.epoch);
  }
  return recovered;
}

absl::Status SyncRecovered(FileSystem& files, const std::string& directory,
                           const RecoveredLog& recovered) {
  // A seal says that all before it is durable.
  if (recovered.live.empty() || recovered.end.end == LogEnd::kSealed) return absl::OkStatus();
  const Lsn durable = recovered.live.back().header.durable;
  for (auto it = recovered.live.rbegin(); it != recovered.live.rend(); ++it) {
    if (it->header.base_lsn + it->header.segment_bytes <= durable) break;
    RETURN_IF_ERROR(files.Resize(it->path, it->size_bytes));  // as it is: for its sync
  }
  return files.SyncDirectory(directory);
}

}  // namespace corewal
