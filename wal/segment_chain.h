// wal/segment_chain.h: which segment comes after which, by their headers alone.
#ifndef COREWAL_WAL_SEGMENT_CHAIN_H_
#define COREWAL_WAL_SEGMENT_CHAIN_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "wal/lsn.h"
#include "wal/segment_set.h"

namespace corewal {

// `later` may be of the same log's life as `earlier`: it comes behind it and is not left over from
// before `earlier` was opened. An opening never writes behind a later one's segments, so a lower
// count, or the same count with other random bits, is a dead segment of an earlier crash.
bool MayFollow(const SegmentHeader& earlier, const SegmentHeader& later);

// `later` is the very next one. Whether `earlier` really ended where `later` says is for a scan.
bool Follows(const SegmentHeader& earlier, const SegmentHeader& later);

// Where a scan may begin that wants the log's end and not its records (FORMAT.md, "Finding the end
// without reading everything").
struct ScanStart {
  size_t segment = 0;  // 0 if the first has not started
  // What the headers of segments linked from the first on know to be durable: everything before it
  // is part of the log. In `segment`, or no more than where the log ended before it.
  Lsn durable;
};
ScanStart FindScanStart(const std::vector<SegmentFile>& segments);

// Where to begin reading records from `from` on: the last segment that begins at or before it, but
// none that a scan would have to prove first.
size_t FirstSegmentFor(const std::vector<SegmentFile>& segments, Lsn from);

// FailedPrecondition, naming the file: one of another log (`uuid`; zero: the first one's) or shard,
// or of a format version that this build does not read.
absl::Status CheckSameLog(const std::vector<SegmentFile>& segments, LogUuid uuid);

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_CHAIN_H_
