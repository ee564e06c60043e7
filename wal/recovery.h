// wal/recovery.h: finds where a shard's log ends, without reading all of it.
//
//   | segment | ... | segment      D          | last segment      X | prepared | ...
//   hdr       hdr   hdr            |--- read ----------------------------------|
//
// Reads the segments' headers, and batches only from D on, the last LSN that a header knows to be
// durable: up to there the log is proven (FORMAT.md, "Finding the end without reading everything").
// So it takes as long for 20 GiB as for 1 GiB. Damage to batches before D is found by LogReader
// when the records are replayed. Never writes.
//
// What is read must be what the device holds. After a failed fsync the page cache may show clean
// pages that never reached it, so before buffered files are read their cached pages should be
// dropped (posix_fadvise DONTNEED). FileSystem has no call for that yet; O_DIRECT needs none.
#ifndef COREWAL_WAL_RECOVERY_H_
#define COREWAL_WAL_RECOVERY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/log_reader.h"
#include "wal/segment_set.h"

namespace corewal {

enum class RecoveryMode : uint8_t {
  kStrict,        // damage is DataLoss: nothing is opened, nothing changes
  kStopAtDamage,  // the log ends before the first damage; the report says what is lost
  // The log goes on behind damage, as far as anything valid does; `skipped` says what is lost. Only
  // the part that is scanned to find the end counts: damage before it is LogReader's to find
  // (LogReaderOptions::skip_damaged), and stays in the log as a hole. Files whose header is damaged
  // are left alone.
  kSkipDamaged,
};

struct RecoveredLog {
  // The log, ascending. The last one holds `end.lsn`: behind its last valid batch; behind its
  // header if it is the only one and has none.
  std::vector<SegmentFile> live;
  std::vector<SegmentFile>
      spare;  // not part of it: prepared ahead, recycled, or beyond a torn tail
  LogEndReport end;
  std::vector<SkippedRange> skipped;  // kSkipDamaged
  Incarnation last_incarnation;  // the highest seen anywhere, dead segments included; 0 if none
  Epoch last_epoch;
};

// `uuid`: what every segment must carry; zero: take the first one's.
// FailedPrecondition: a segment of another log, or of a newer format version. DataLoss: kStrict and
// kDamaged, naming file, offset and rule.
absl::StatusOr<RecoveredLog> RecoverLog(FileSystem& files, StorageIo& io,
                                        const std::string& directory, const LogUuid& uuid,
                                        RecoveryMode mode);

// Syncs what was recovered but may not be durable yet, because only the process had crashed, so
// that records may be handed out before a LogWriter (which does the same) opens the log.
absl::Status SyncRecovered(FileSystem& files, const std::string& directory,
                           const RecoveredLog& recovered);

}  // namespace corewal

#endif  // COREWAL_WAL_RECOVERY_H_
