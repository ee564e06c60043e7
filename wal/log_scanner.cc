#include "wal/log_scanner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "wal/segment_chain.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<LogScanner>> LogScanner::Create(FileSystem& files, StorageIo& io,
                                                               std::vector<SegmentFile> segments,
                                                               const Options& options) {
  CHECK(segments.empty() || options.first < segments.size());
  ASSIGN_OR_RETURN(std::unique_ptr<SegmentStream> stream,
                   SegmentStream::Create(files, io, options.read_ahead, options.direct));
  return std::unique_ptr<LogScanner>(
      new LogScanner(std::move(segments), std::move(stream), options));
}

bool LogScanner::Next() {
  if (end_.end != LogEnd::kNotYet) return false;
  const absl::StatusOr<bool> moved = Step();
  if (moved.ok() && *moved) return true;
  if (!moved.ok()) {
    end_.end = LogEnd::kFailed;
    end_.lsn = at_.lsn;
    end_.last_crc = at_.last_crc;
    end_.file = segments_.empty() ? "" : segments_[current_].path;
    end_.offset = at_.offset;
    end_.io_error = moved.status();
  }
  stream_->Close();
  return false;
}

absl::StatusOr<bool> LogScanner::Step() {
  if (!begun_) {
    ASSIGN_OR_RETURN(const bool begun, Begin());
    if (!begun) return false;
  }
  for (;;) {
    // R0. Asked before looking at what stands here: a later opening has ended the log at this
    // place, and nothing behind that may come back to life.
    if (NextSegmentBeginsAt(at_)) {
      RETURN_IF_ERROR(Enter(current_ + 1));
      continue;
    }
    ASSIGN_OR_RETURN(const FormatRule rule,
                     CheckBatchAt(*stream_, at_.offset, ContextAt(at_), &batch_));
    if (rule == FormatRule::kOk && pieces_.Accept(batch_)) {
      Accept();
      return true;
    }
    ASSIGN_OR_RETURN(const bool goes_on, Conclude(rule, rule == FormatRule::kOk));
    if (!goes_on) return false;
  }
}

absl::StatusOr<bool> LogScanner::Begin() {
  const size_t first = options_.first;
  TailSearch search(*stream_, segments_);
  if (!segments_.empty() && !segments_[first].started()) RETURN_IF_ERROR(search.Refresh(first));
  if (segments_.empty() || !segments_[first].started()) {
    CHECK_EQ(first, 0u) << "only a log's first file may be asked for without having started";
    ASSIGN_OR_RETURN(end_, search.BeforeStart());
    return false;
  }
  const SegmentHeader& header = segments_[first].header;
  // Before the first segment there is nothing to end at, so its header counts as part of the log.
  at_.lsn = first == 0 ? header.base_lsn + kBlockBytes : header.previous_end;
  at_.last_crc = header.previous_crc;
  RETURN_IF_ERROR(Enter(first));
  at_.tail = first;
  begun_ = true;
  if (header.previous_sequence != 0) pieces_.StartAnywhere();
  return true;
}

absl::Status LogScanner::Enter(size_t index) {
  const SegmentHeader expected = segments_[index].header;
  const bool new_opening =
      !begun_ || expected.incarnation != segments_[current_].header.incarnation;
  current_ = index;
  at_.offset = kBlockBytes;
  at_.previous_end = expected.previous_end;
  at_.last_is_seal = false;
  RETURN_IF_ERROR(ReopenAt(0));
  ++segments_entered_;
  // A record that a crash has cut off does not go on in the next opening.
  if (new_opening) pieces_.StartClean();
  return absl::OkStatus();
}

absl::Status LogScanner::ReopenAt(uint64_t offset) {
  const SegmentFile& segment = segments_[current_];
  if (offset != 0) {
    TailSearch search(*stream_, segments_);
    const SegmentHeader before = segment.header;
    const absl::Status refreshed = search.Refresh(current_);
    if (absl::IsNotFound(refreshed)) {
      return absl::AbortedError(
          absl::StrCat(segment.path, ": the segment was removed while it was being read"));
    }
    RETURN_IF_ERROR(refreshed);
    if (segment.started() && segment.header == before) {
      return stream_->Open(segment.path, offset, before.segment_bytes);
    }
  } else {
    RETURN_IF_ERROR(stream_->Open(segment.path, 0, segment.header.segment_bytes));
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> block, stream_->View(0, kBlockBytes));
    SegmentHeader header;
    if (DecodeSegmentHeader(block, &header) == FormatRule::kOk && header == segment.header) {
      return absl::OkStatus();
    }
  }
  return absl::AbortedError(
      absl::StrCat(segment.path, ": the segment was recycled while it was being read"));
}

bool LogScanner::NextSegmentBeginsAt(const Position& position) const {
  // A segment without a valid batch cannot have been followed by another.
  if (position.tail != current_ || current_ + 1 >= segments_.size()) return false;
  const SegmentFile& next = segments_[current_ + 1];
  return next.started() && Follows(segments_[current_].header, next.header) &&
         next.header.previous_end == position.lsn && next.header.previous_crc == position.last_crc;
}

BatchContext LogScanner::ContextAt(const Position& position) const {
  const SegmentHeader& header = segments_[current_].header;
  BatchContext context;
  context.lsn = header.base_lsn + position.offset;
  context.incarnation = header.incarnation;
  context.previous_crc = position.last_crc;
  context.bytes_left = header.segment_bytes - position.offset;
  context.previous_end = position.previous_end;
  return context;
}

void LogScanner::Accept() {
  const bool seal = (batch_.header.flags & kBatchFlagSeal) != 0;
  if (seal) before_seal_ = at_;
  at_.offset += batch_.header.length_bytes;
  at_.lsn = at_.previous_end = batch_.header.lsn + batch_.header.length_bytes;
  at_.last_crc = batch_.header.crc;
  at_.last_is_seal = seal;
  at_.tail = current_;
}

absl::StatusOr<bool> LogScanner::Conclude(FormatRule rule, bool pieces_contradict) {
  TailPlace place;
  place.segment = current_;
  place.offset = at_.offset;
  place.lsn = at_.lsn;
  place.last_crc = at_.last_crc;
  place.rule = rule;
  place.batch_stands = batch_.stands;
  place.batch_bytes = batch_.header.length_bytes;
  place.last_is_seal = at_.last_is_seal;
  place.pieces_contradict = pieces_contradict;
  TailSearch search(*stream_, segments_);
  ASSIGN_OR_RETURN(LogEndReport report, search.AtTail(place));
  // A log that is being written may have gone on since X was read: what bears witness now was
  // written after X, so X must be read again before it is called damaged or torn.
  if (at_.last_is_seal) {
    ASSIGN_OR_RETURN(const bool gone, SealIsGone());
    if (gone) {
      at_ = before_seal_;
      RETURN_IF_ERROR(ReopenAt(at_.offset));
      return true;
    }
  }
  RETURN_IF_ERROR(ReopenAt(at_.offset));
  if (!pieces_contradict) {
    if (NextSegmentBeginsAt(at_)) return true;
    ScannedBatch again;
    ASSIGN_OR_RETURN(const FormatRule now,
                     CheckBatchAt(*stream_, at_.offset, ContextAt(at_), &again));
    if (now == FormatRule::kOk) return true;
  }
  end_ = std::move(report);
  return false;
}

absl::StatusOr<bool> LogScanner::SealIsGone() {
  if (NextSegmentBeginsAt(before_seal_)) return true;
  RETURN_IF_ERROR(ReopenAt(before_seal_.offset));
  ScannedBatch seal;
  ASSIGN_OR_RETURN(const FormatRule rule,
                   CheckBatchAt(*stream_, before_seal_.offset, ContextAt(before_seal_), &seal));
  return rule != FormatRule::kOk || seal.header.crc != at_.last_crc;
}

}  // namespace corewal
