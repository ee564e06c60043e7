#include "tools/lost_records.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/little_endian.h"
#include "wal/segment_chain.h"

namespace corewal {
namespace {

std::string Plural(uint64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

// Records that begin in a valid batch: whole ones and first pieces.
uint64_t RecordsBeginning(absl::Span<const std::byte> batch, const BatchHeader& header) {
  uint64_t records = 0;
  const std::byte* at = batch.data() + kBatchHeaderBytes;
  const std::byte* const end = at + header.records_bytes;
  while (at < end) {
    const RecordFraming framing = RecordFraming::Decode(LoadLe32(at));
    if (framing.piece == Piece::kWhole || framing.piece == Piece::kFirst) ++records;
    at += FramedBytes(framing.length);
  }
  return records;
}

class Counter {
 public:
  Counter(FileSystem& files, Lsn end) : files_(files), batch_(kBatchBytesMax) {
    lost_.from = lost_.to = end;
  }

  // `known_end`: where the log in this file ended, by the header of the next segment; 0: unknown.
  absl::Status Count(const SegmentFile& segment, uint64_t offset, Lsn known_end);
  const LostRecords& lost() const { return lost_; }

 private:
  absl::Status Read(uint64_t offset, size_t bytes);
  bool IsOfThisLog(const SegmentFile& segment, const BatchHeader& header, uint64_t offset);
  void Take(const BatchHeader& header);

  FileSystem& files_;
  OpenFile file_;
  std::vector<std::byte> batch_;
  absl::Span<const std::byte> read_;
  Lsn base_;
  bool base_known_ = false;
  LostRecords lost_;
};

absl::Status Counter::Read(uint64_t offset, size_t bytes) {
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got =
        pread(file_.fd(), batch_.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (got == 0) break;
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "pread", file_.path(), {.offset = offset, .length = bytes});
    }
  }
  read_ = absl::MakeConstSpan(batch_.data(), have);
  return absl::OkStatus();
}

bool Counter::IsOfThisLog(const SegmentFile& segment, const BatchHeader& header, uint64_t offset) {
  if (header.lsn.value() < offset || header.lsn < lost_.from) return false;
  if (segment.started()) {
    return header.lsn == segment.header.base_lsn + offset &&
           header.incarnation == segment.header.incarnation;
  }
  // The segment's header is lost: its first batch says where it stood.
  if (!base_known_) base_ = Lsn(header.lsn.value() - offset);
  base_known_ = true;
  return header.lsn == base_ + offset;
}

void Counter::Take(const BatchHeader& header) {
  lost_.to = std::max(lost_.to, header.lsn + header.length_bytes);
  lost_.durable = std::max(lost_.durable, header.durable);
  BatchContext itself;
  itself.lsn = header.lsn;
  itself.incarnation = header.incarnation;
  itself.previous_crc = header.previous_crc;
  itself.bytes_left = header.length_bytes;
  BatchHeader checked;
  const bool intact = CheckBatch(read_, itself, &checked) == FormatRule::kOk;
  if (header.record_count == 0) return;  // a seal: nothing of anybody's
  if (intact) {
    ++lost_.intact_batches;
    lost_.intact_records += RecordsBeginning(read_, header);
  } else {
    ++lost_.damaged_batches;
    lost_.damaged_records += header.record_count;
  }
}

absl::Status Counter::Count(const SegmentFile& segment, uint64_t offset, Lsn known_end) {
  ASSIGN_OR_RETURN(file_, files_.Open(segment.path, {}));
  const uint64_t size = file_.facts().size_bytes;
  const uint64_t limit = segment.started() ? std::min(size, segment.header.segment_bytes) : size;
  base_known_ = segment.started();
  if (base_known_) base_ = segment.header.base_lsn;
  if (segment.started()) lost_.durable = std::max(lost_.durable, segment.header.durable);
  uint64_t described = offset;  // the log up to here is accounted for
  while (offset < limit) {
    RETURN_IF_ERROR(Read(offset, kBatchHeaderBytes));
    BatchHeader header;
    if (DecodeBatchHeader(read_, &header) != FormatRule::kOk ||
        !IsOfThisLog(segment, header, offset)) {
      offset += kBlockBytes;
      continue;
    }
    RETURN_IF_ERROR(Read(offset, header.length_bytes));
    Take(header);
    lost_.unreadable_bytes += offset - described;
    offset += header.length_bytes;
    described = offset;
  }
  // What another header proves to have stood here, behind the last one that is readable.
  const Lsn proven = known_end > Lsn(0) ? known_end : lost_.durable;
  if (base_known_ && proven > base_ + described) {
    const uint64_t end = segment.started() ? segment.header.segment_bytes : limit;
    const uint64_t proven_offset = std::min(proven - base_, end);
    lost_.unreadable_bytes += proven_offset > described ? proven_offset - described : 0;
    lost_.to = std::max(lost_.to, base_ + std::max(proven_offset, described));
  }
  return absl::OkStatus();
}

}  // namespace

std::string LostRecords::ToString() const {
  std::string text = absl::StrCat("lsn ", from.value(), " .. ", to.value(), ": ");
  if (unreadable_bytes > 0) absl::StrAppend(&text, "at least ");
  absl::StrAppend(&text, Plural(records(), "record", "records"));
  if (damaged_batches > 0) {
    absl::StrAppend(&text, "; ", damaged_records, " in ",
                    Plural(damaged_batches, "damaged batch", "damaged batches"));
  }
  if (intact_batches > 0) {
    absl::StrAppend(&text, "; ", intact_records, " in ",
                    Plural(intact_batches, "intact batch", "intact batches"), " behind the damage");
  }
  if (unreadable_bytes > 0) {
    absl::StrAppend(&text, "; and what stood in ", unreadable_bytes,
                    " bytes that no header describes any more");
  }
  if (durable > from) absl::StrAppend(&text, "; durable once up to lsn ", durable.value());
  return text;
}

size_t SegmentOfEnd(const std::vector<SegmentFile>& segments, Lsn end) {
  for (size_t i = 0; i < segments.size(); ++i) {
    const SegmentHeader& header = segments[i].header;
    if (segments[i].started() && end >= header.base_lsn + kBlockBytes &&
        end <= header.base_lsn + header.segment_bytes) {
      return i;
    }
  }
  return segments.size();
}

absl::StatusOr<LostRecords> CountLostRecords(FileSystem& files,
                                             const std::vector<SegmentFile>& segments, Lsn end) {
  Counter counter(files, end);
  const size_t tail = SegmentOfEnd(segments, end);
  const bool has_tail = tail < segments.size();
  for (size_t i = has_tail ? tail : 0; i < segments.size(); ++i) {
    const SegmentFile& segment = segments[i];
    // A recycled file that has not started, or one that an earlier crash left, holds nothing of
    // this log.
    const bool of_this_log =
        segment.started()
            ? !has_tail || i == tail || MayFollow(segments[tail].header, segment.header)
            : segment.rule != FormatRule::kOk && !segment.blank;
    if (!of_this_log) continue;
    Lsn known_end;
    const bool next_says = i + 1 < segments.size() && segments[i + 1].started() &&
                           segments[i + 1].header.previous_sequence == segment.sequence;
    if (next_says) known_end = segments[i + 1].header.previous_end;
    const uint64_t offset = i == tail ? end - segment.header.base_lsn : kBlockBytes;
    RETURN_IF_ERROR(counter.Count(segment, offset, known_end));
  }
  return counter.lost();
}

}  // namespace corewal
