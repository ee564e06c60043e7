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

size_t AnchorIndex(const std::vector<SegmentFile>& segments) {
  if (segments.empty() || !segments[0].started()) return 0;
  Lsn durable = segments[0].header.durable;
  size_t run = 1;
  for (; run < segments.size(); ++run) {
    const SegmentFile& next = segments[run];
    if (!next.started() || !Follows(segments[run - 1].header, next.header)) break;
    durable = std::max(durable, next.header.durable);
  }
  size_t anchor = 0;
  while (anchor + 1 < run && segments[anchor + 1].header.base_lsn < durable) ++anchor;
  return anchor;
}

size_t FirstSegmentFor(const std::vector<SegmentFile>& segments, Lsn from) {
  size_t index = AnchorIndex(segments);
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
