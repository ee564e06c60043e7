// tools/lost_records.h: what stands in a shard's log beyond its end: the account of a repair.
//
//   | log, whole | damaged batch | intact batch | no header readable | intact batch | unused |
//                ^ end             counted        counted in bytes     counted        ^ to
//
// Reads every block beyond the end in all files of the log, by the codec's rules. What a valid
// header describes is counted exactly; where no header is readable, bytes are all that can be said.
// Memory: one batch. Thread: any.
#ifndef COREWAL_TOOLS_LOST_RECORDS_H_
#define COREWAL_TOOLS_LOST_RECORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "wal/lsn.h"
#include "wal/segment_set.h"

namespace corewal {

struct LostRecords {
  Lsn from;     // the log is whole before it
  Lsn to;       // behind the last batch that is known of; `from` if there is none
  Lsn durable;  // bytes up to here had been durable, at least; may be below `from`
  uint64_t intact_batches = 0;
  uint64_t intact_records = 0;  // that begin in them
  uint64_t damaged_batches = 0;
  uint64_t damaged_records = 0;   // pieces, by their headers, which are intact
  uint64_t unreadable_bytes = 0;  // where batches stood and no header is readable

  uint64_t records() const { return intact_records + damaged_records; }
  // "lsn 12288 .. 40960: 17 records: 4 in 1 damaged batch, 13 in 3 intact batches behind it"
  std::string ToString() const;
};

// `segments`: all files of the shard, ascending. `end`: behind the last valid batch.
// Errors: of opening and reading.
absl::StatusOr<LostRecords> CountLostRecords(FileSystem& files,
                                             const std::vector<SegmentFile>& segments, Lsn end);

// Index of the segment that holds `end`, the end of the log; segments.size() if none does.
size_t SegmentOfEnd(const std::vector<SegmentFile>& segments, Lsn end);

}  // namespace corewal

#endif  // COREWAL_TOOLS_LOST_RECORDS_H_
