#include "wal/segment_chain.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace corewal {

bool MayFollow(const SegmentHeader& earlier, const SegmentHeader& later) {
  if (later.sequence <= earlier.sequence) return false;
  if (later.base_lsn < earlier.base_lsn + earlier.segment_bytes) return false;
  return later.incarnation == earlier.incarnation ||
         later.incarnation.count() > earlier.incarnation.count();
}

bool Follows(const SegmentHeader& earlier, const SegmentHeader& later) {
  return MayFollow(earlier, later) && later.sequence == earlier.sequence + 1 &&
         later.previous_sequence == earlier.sequence &&
         later.base_lsn == earlier.base_lsn + earlier.segment_bytes;
}

ScanStart FindScanStart(const std::vector<SegmentFile>& segments) {
  if (segments.empty() || !segments[0].started()) return {};
  Lsn durable = segments[0].header.durable;
  size_t run = 1;
  for (; run < segments.size(); ++run) {
    const SegmentFile& next = segments[run];
    const SegmentFile& before = segments[run - 1];
    if (!next.started() || !Follows(before.header, next.header)) break;
    // Cut short since, which no scan that begins behind it would see.
    if (before.header.base_lsn + before.size_bytes < next.header.previous_end) break;
    durable = std::max(durable, next.header.durable);
  }
  size_t start = 0;
  while (start + 1 < run && segments[start + 1].header.base_lsn < durable) ++start;
  // All of the segment is durable, and the next one's header says where the log left it.
  if (start + 1 < run && segments[start + 1].header.previous_end == durable) ++start;
  return {start, durable};
}

size_t FirstSegmentFor(const std::vector<SegmentFile>& segments, Lsn from) {
  size_t index = FindScanStart(segments).segment;
  while (index > 0 && segments[index].header.base_lsn > from) --index;
  return index;
}

absl::Status CheckSameLog(const std::vector<SegmentFile>& segments, LogUuid uuid) {
  std::optional<ShardId> shard;
  for (const SegmentFile& segment : segments) {
    if (segment.rule == FormatRule::kSegmentVersion) {
      return absl::FailedPreconditionError(
          absl::StrCat(segment.path, ": format version ", segment.header.version,
                       "; this build reads up to ", kFormatVersion));
    }
    if (!segment.started()) continue;
    const SegmentHeader& header = segment.header;
    if (uuid.is_zero()) uuid = header.uuid;
    if (!(header.uuid == uuid)) {
      return absl::FailedPreconditionError(absl::StrCat(
          segment.path, ": belongs to log ", header.uuid.ToString(), ", not to ", uuid.ToString()));
    }
    if (!shard.has_value()) shard = header.shard;
    if (header.shard != *shard) {
      return absl::FailedPreconditionError(absl::StrCat(segment.path, ": belongs to shard ",
                                                        ToIndex(header.shard), ", not to ",
                                                        ToIndex(*shard)));
    }
  }
  return absl::OkStatus();
}

}  // namespace corewal
