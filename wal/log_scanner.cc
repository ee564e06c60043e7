#include "wal/log_scanner.h"

#include <algorithm>
#include <string>
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
  ASSIGN_OR_RETURN(begun_, BeginAtProven());
  if (begun_) return true;
  const SegmentHeader& header = segments_[first].header;
  // Before the first segment there is nothing to end at, so its header counts as part of the log.
  at_.lsn = first == 0 ? header.base_lsn + kBlockBytes : header.previous_end;
  at_.last_crc = header.previous_crc;
  RETURN_IF_ERROR(Enter(first));
  // What comes before `first` is proven by a header, `first` itself only by a batch.
  at_.tail = first == 0 ? 0 : first - 1;
  begun_ = true;
  if (header.previous_sequence != 0) pieces_.StartAnywhere();
  return true;
}

// The link of the chain is taken from the batch itself. False: no valid batch stands there. It may
// be the log's end, but what the last batch is only a scan of the segment can tell.
absl::StatusOr<bool> LogScanner::BeginAtProven() {
  const SegmentFile& segment = segments_[options_.first];
  const Lsn first_batch = segment.header.base_lsn + kBlockBytes;
  const Lsn behind = segment.header.base_lsn + segment.header.segment_bytes;
  if (options_.proven <= first_batch || options_.proven >= behind) return false;
  current_ = options_.first;
  const uint64_t offset = options_.proven - segment.header.base_lsn;
  RETURN_IF_ERROR(stream_->Open(segment.path, offset, segment.header.segment_bytes));
  ASSIGN_OR_RETURN(const bool resumed, ResumeAt(offset, options_.proven));
  if (!resumed) return false;
  ++segments_entered_;
  pieces_.StartAnywhere();
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
  if (index + 1 < segments_.size() && segments_[index + 1].started()) {
    const SegmentFile& next = segments_[index + 1];
    stream_->Expect(next.path, next.header.segment_bytes);
  }
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

// ---- behind the damage ----

absl::StatusOr<bool> LogScanner::SkipDamage(SkippedRange* skipped) {
  CHECK(end_.end == LogEnd::kDamaged) << end_.ToString();
  *skipped = SkippedRange();
  skipped->file = end_.file;
  skipped->offset = end_.offset;
  skipped->rule = end_.rule;
  skipped->row = end_.row;
  skipped->begin = end_.lsn;
  bool found = false;
  if (begun_) {
    // Valid batches whose pieces contradict those before them (C5) are gone on with where they are.
    const bool valid_here = end_.row == std::string("C5");
    ASSIGN_OR_RETURN(found, ResumeInSegment(valid_here ? at_.offset : at_.offset + kBlockBytes));
  }
  for (size_t i = begun_ ? current_ + 1 : 1; !found && i < segments_.size(); ++i) {
    ASSIGN_OR_RETURN(found, ResumeInLaterSegment(i));
  }
  if (!found) return false;
  skipped->end = segments_[current_].header.base_lsn + at_.offset;
  skipped->resumed_file = segments_[current_].path;
  skipped->resumed_offset = at_.offset;
  end_ = LogEndReport();
  pieces_.StartAnywhere();
  return true;
}

absl::StatusOr<bool> LogScanner::ResumeAt(uint64_t offset, Lsn previous_end) {
  const SegmentHeader& header = segments_[current_].header;
  ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                   stream_->View(offset, kBatchHeaderBytes));
  BatchHeader found;
  if (DecodeBatchHeader(bytes, &found) != FormatRule::kOk) return false;
  BatchContext context;
  context.lsn = header.base_lsn + offset;
  context.incarnation = header.incarnation;
  context.previous_crc = found.previous_crc;
  context.bytes_left = header.segment_bytes - offset;
  context.previous_end = previous_end;
  ScannedBatch batch;
  ASSIGN_OR_RETURN(const FormatRule rule, CheckBatchAt(*stream_, offset, context, &batch));
  if (rule != FormatRule::kOk) return false;
  at_.offset = offset;
  at_.lsn = at_.previous_end = batch.header.lsn;
  at_.last_crc = batch.header.previous_crc;
  at_.last_is_seal = false;
  at_.tail = current_;
  return true;
}

// How far into the current segment's file its batches are surely part of the log: what stands
// behind the end that a later opening found is dead. The next segment's header names that end. If
// it is lost, another header of that opening may know it: all that was durable at first is what the
// opening found, and nothing more until something of its own is durable. If none does, nothing is
// sure.
absl::StatusOr<uint64_t> LogScanner::LiveBytes() {
  const SegmentHeader header = segments_[current_].header;
  const auto up_to = [&](Lsn end) -> uint64_t {
    const bool in_segment = end > header.base_lsn && end <= header.base_lsn + header.segment_bytes;
    return in_segment ? end - header.base_lsn : 0;
  };
  for (size_t i = current_ + 1; i < segments_.size(); ++i) {
    const SegmentFile& later = segments_[i];
    if (later.started()) {
      if (!MayFollow(header, later.header)) continue;
      if (Follows(header, later.header)) return up_to(later.header.previous_end);
      if (later.header.incarnation == header.incarnation) return header.segment_bytes;
      return up_to(later.header.durable);
    }
    if (later.sequence != segments_[current_].sequence + 1) continue;
    WitnessSearch search;
    search.base_lsn = header.base_lsn + header.segment_bytes;
    search.incarnation = header.incarnation;
    search.or_later = true;
    RETURN_IF_ERROR(stream_->Open(later.path, kBlockBytes, kSegmentBytesMax));
    uint64_t offset = kBlockBytes;
    BatchHeader found;
    ASSIGN_OR_RETURN(const bool any, FindCredible(*stream_, search, &offset, &found));
    if (!any) continue;
    if (found.incarnation == header.incarnation) return header.segment_bytes;
    return up_to(found.durable);
  }
  return header.segment_bytes;
}

// The first batch of the current segment, from `offset` on, that keeps every rule but the chain.
absl::StatusOr<bool> LogScanner::ResumeInSegment(uint64_t offset) {
  const SegmentHeader header = segments_[current_].header;
  ASSIGN_OR_RETURN(const uint64_t limit, LiveBytes());
  RETURN_IF_ERROR(stream_->Open(segments_[current_].path, offset, header.segment_bytes));
  for (; offset < std::min(limit, stream_->limit()); offset += kBlockBytes) {
    ASSIGN_OR_RETURN(const bool resumed, ResumeAt(offset, Lsn()));
    if (!resumed) continue;
    RETURN_IF_ERROR(ReopenAt(offset));
    return true;
  }
  return false;
}

absl::StatusOr<bool> LogScanner::ResumeInLaterSegment(size_t index) {
  const SegmentFile& later = segments_[index];
  if (!later.started()) return false;
  if (begun_ && !MayFollow(segments_[current_].header, later.header)) return false;
  const size_t before = current_;
  const Position position = at_;
  current_ = index;
  ASSIGN_OR_RETURN(const bool found, ResumeInSegment(kBlockBytes));
  if (found) {
    // At its first batch the header still says how the log before it ended.
    if (at_.offset == kBlockBytes) {
      at_.lsn = at_.previous_end = later.header.previous_end;
      at_.last_crc = later.header.previous_crc;
    }
    ++segments_entered_;
    begun_ = true;
    return true;
  }
  current_ = before;
  at_ = position;
  return false;
}

}  // namespace corewal
