#include "wal/log_tail.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "wal/segment_chain.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<LogTail>> LogTail::Create(FileSystem& files, StorageIo& io,
                                                         std::string directory, Options options) {
  // Headers of other segments are read while the stream keeps its buffers: one is left for them.
  ASSIGN_OR_RETURN(BufferLease for_headers, io.AcquireBuffer());
  ASSIGN_OR_RETURN(std::unique_ptr<SegmentStream> stream,
                   SegmentStream::Create(files, io, options.read_ahead, options.direct));
  for_headers = BufferLease();
  return std::unique_ptr<LogTail>(
      new LogTail(files, io, std::move(directory), std::move(options), std::move(stream)));
}

LogTail::Step LogTail::Next() {
  if (final_ != Step::kBatch) return final_;
  absl::StatusOr<Step> step = TryNext();
  if (!step.ok()) {
    report_ = LogEndReport();
    report_.end = LogEnd::kFailed;
    report_.lsn = at_.lsn;
    report_.file = current_.path;
    report_.offset = at_.offset;
    report_.io_error = step.status();
    step = Step::kFailed;
  }
  stuck_ = *step == Step::kCaughtUp ? stuck_ + 1 : 0;
  if (*step == Step::kBatch || *step == Step::kCaughtUp) return *step;
  stream_->Close();
  return final_ = *step;
}

absl::StatusOr<LogTail::Step> LogTail::TryNext() {
  if (!begun_) {
    ASSIGN_OR_RETURN(begun_, Begin());
    if (final_ != Step::kBatch) return final_;
    if (!begun_) return Step::kCaughtUp;
  }
  for (;;) {
    bool fresh = stale_;  // X is read after D was learnt
    if (at_.lsn >= durable_ || limited_) {
      RETURN_IF_ERROR(LearnDurable());
      if (at_.lsn >= durable_) {
        // Without a durable LSN from the writer nothing else would tell that the log is gone.
        if (options_.durable.lsn != nullptr || !next_missing_) return Step::kCaughtUp;
        ASSIGN_OR_RETURN(const Step step, Overtaken());
        if (step != Step::kBatch) return step;
        continue;
      }
      fresh = true;
    }
    ASSIGN_OR_RETURN(Look look, LookOnce(fresh));
    if (look == Look::kNothing && !fresh) {
      // What was read ahead is older than D may be.
      ASSIGN_OR_RETURN(look, LookOnce(/*fresh=*/true));
    }
    const bool was_limited = std::exchange(limited_, look == Look::kEnd);
    stale_ = look != Look::kTaken;
    if (look == Look::kTaken) return Step::kBatch;
    if (look == Look::kEnd) {
      if (was_limited) return Step::kCaughtUp;
      continue;  // D may only have been the cheapest to learn
    }
    ASSIGN_OR_RETURN(const Step step, Explain());
    if (step != Step::kBatch) return step;
  }
}

absl::StatusOr<bool> LogTail::Begin() {
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files_, io_, directory_));
  RETURN_IF_ERROR(CheckSameLog(segments, LogUuid()));
  const auto started = std::find_if(segments.begin(), segments.end(),
                                    [](const SegmentFile& s) { return s.started(); });
  if (started == segments.end()) return false;
  if (started != segments.begin()) {
    // Truncation may have been at work during the listing, or the first header is damaged.
    const absl::StatusOr<SegmentFile> first = ReadSegmentFile(files_, io_, segments[0].path);
    if (absl::IsNotFound(first.status()) || (first.ok() && first->started())) return false;
    RETURN_IF_ERROR(first.status());
    // Its first write may be on its way yet, behind those of the next segment.
    if (!KnownDurableIn(*first, *started)) return false;
    final_ = Damaged(first->path, 0, first->rule, "C3");
    return false;
  }
  RETURN_IF_ERROR(BeginIn(segments));
  return final_ == Step::kBatch;
}

// Whether anything in `first`, which has no header, is known to be durable; `started` comes after
// it.
bool LogTail::KnownDurableIn(const SegmentFile& first, const SegmentFile& started) const {
  const auto& told = options_.durable.lsn;
  const Lsn durable = told != nullptr ? told() : started.header.durable;
  const uint64_t end = started.header.base_lsn.value();
  const bool next = started.sequence == first.sequence + 1;
  return durable > Lsn(next ? end - std::min(end, first.size_bytes) : 0);
}

absl::Status LogTail::BeginIn(const std::vector<SegmentFile>& segments) {
  const SegmentHeader& oldest = segments[0].header;
  if (options_.from != Lsn() && options_.from < oldest.previous_end) {
    oldest_ = oldest.base_lsn;
    final_ = Step::kTruncated;
    return absl::OkStatus();
  }
  const size_t first = FirstSegmentFor(segments, options_.from);
  current_ = segments[first];
  const SegmentHeader& header = current_.header;
  at_.offset = kBlockBytes;
  at_.lsn = first == 0 ? header.base_lsn + kBlockBytes : header.previous_end;
  at_.previous_end = header.previous_end;
  at_.last_crc = header.previous_crc;
  if (header.previous_sequence != 0) pieces_.StartAnywhere();
  return absl::OkStatus();
}

// ---- the next segment ----

absl::StatusOr<SegmentFile> LogTail::ReadSegment(uint64_t sequence) {
  stream_->Close();  // the storage must have nothing in flight
  stream_path_.clear();
  return ReadSegmentFile(files_, io_, absl::StrCat(directory_, "/", SegmentFileName(sequence)));
}

absl::Status LogTail::ProbeNext() {
  next_missing_ = false;
  if (next_known_) return absl::OkStatus();
  absl::StatusOr<SegmentFile> next = ReadSegment(current_.sequence + 1);
  next_missing_ = absl::IsNotFound(next.status());
  if (next_missing_) return absl::OkStatus();
  RETURN_IF_ERROR(next.status());
  next_ = *std::move(next);
  if (!next_.started()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckSameLog({current_, next_}, LogUuid()));
  next_known_ = Follows(current_.header, next_.header);
  return absl::OkStatus();
}

bool LogTail::NextBeginsAt(Lsn end, uint32_t crc) const {
  return next_known_ && next_.header.previous_end == end && next_.header.previous_crc == crc;
}

// ---- looking at X ----

BatchContext LogTail::ContextAt(const SegmentHeader& header, const Position& position) const {
  BatchContext context;
  context.lsn = header.base_lsn + position.offset;
  context.incarnation = header.incarnation;
  context.previous_crc = position.last_crc;
  context.bytes_left = header.segment_bytes - position.offset;
  context.previous_end = position.previous_end;
  return context;
}

// The next segment is asked first only where D lies in it or beyond. While D is inside this one,
// what stands before D here is alive: had a later opening ended the log before, D would be no more
// than that end.
absl::StatusOr<LogTail::Look> LogTail::LookOnce(bool fresh) {
  broken_in_next_ = false;
  if (fresh) next_known_ = false;  // a later opening may have replaced a dead one
  if (beyond_current() && !next_known_ && (strict() || fresh || entered_)) {
    RETURN_IF_ERROR(ProbeNext());
  }
  entered_ = false;
  if (NextBeginsAt(at_.lsn, at_.last_crc)) return EnterNext(at_.lsn, at_.last_crc);
  if (next_known_ && next_.header.previous_end < at_.lsn) return Look::kNothing;
  if (seal_seen_ && NextBeginsAt(seal_end_, seal_crc_)) return EnterNext(seal_end_, seal_crc_);
  seal_seen_ = false;
  ASSIGN_OR_RETURN(const Look look, LookAtX(fresh));
  if (look == Look::kTaken || !seal_seen_) return look;
  if (NextBeginsAt(seal_end_, seal_crc_)) return EnterNext(seal_end_, seal_crc_);
  return seal_end_ >= durable_ || !strict() ? Look::kEnd : Look::kNothing;
}

absl::StatusOr<LogTail::Look> LogTail::LookAtX(bool fresh) {
  if (stream_path_ != current_.path) {
    const absl::Status opened =
        stream_->Open(current_.path, at_.offset, current_.header.segment_bytes);
    broken_ = FormatRule::kSegmentTooShort;
    if (absl::IsNotFound(opened)) return Look::kNothing;
    RETURN_IF_ERROR(opened);
    stream_path_ = current_.path;
  } else if (fresh) {
    RETURN_IF_ERROR(stream_->Restart(at_.offset, current_.header.segment_bytes));
  }
  return Take(current_, at_);
}

absl::StatusOr<LogTail::Look> LogTail::EnterNext(Lsn end, uint32_t crc) {
  Position first;
  first.lsn = end;
  first.previous_end = end;
  first.last_crc = crc;
  stream_path_.clear();
  broken_ = FormatRule::kSegmentFields;
  const absl::Status opened = stream_->Open(next_.path, 0, next_.header.segment_bytes);
  if (!absl::IsNotFound(opened)) {
    RETURN_IF_ERROR(opened);
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> block, stream_->View(0, kBlockBytes));
    SegmentHeader header;
    const bool same =
        DecodeSegmentHeader(block, &header) == FormatRule::kOk && header == next_.header;
    if (same) {
      const PieceTracker before = pieces_;
      // A record that a crash has cut off does not go on in the next opening.
      if (header.incarnation != current_.header.incarnation) pieces_.StartClean();
      ASSIGN_OR_RETURN(const Look look, Take(next_, first));
      if (look != Look::kNothing) return look;
      pieces_ = before;
    }
  }
  broken_in_next_ = true;
  next_known_ = false;
  return Look::kNothing;
}

// Takes the batch at `position` of `segment`, which the stream has open, if it is valid and
// durable.
absl::StatusOr<LogTail::Look> LogTail::Take(const SegmentFile& segment, const Position& position) {
  const bool in_next = &segment == &next_;
  ASSIGN_OR_RETURN(broken_, CheckBatchAt(*stream_, position.offset,
                                         ContextAt(segment.header, position), &batch_));
  if (broken_ != FormatRule::kOk) return Look::kNothing;
  const Lsn end = batch_.header.lsn + batch_.header.length_bytes;
  if ((batch_.header.flags & kBatchFlagSeal) != 0) {
    seal_seen_ = true;
    seal_end_ = end;
    seal_crc_ = batch_.header.crc;
    return Look::kNothing;
  }
  // A record that goes on behind this batch counts from where it begins, as LogWriter::durable().
  const std::byte* last = batch_.bytes.data() + batch_.last_piece_at;
  const bool goes_on = RecordFraming::Decode(LoadLe32(last)).piece == Piece::kFirst;
  const Lsn safe_end = goes_on ? batch_.header.lsn + batch_.last_piece_at : end;
  if (strict() && safe_end > durable_) return Look::kEnd;
  pieces_contradict_ = !pieces_.Accept(batch_);
  if (pieces_contradict_) return Look::kNothing;
  const uint64_t offset = position.offset + batch_.header.length_bytes;
  if (in_next) {
    current_ = next_;
    stream_path_ = current_.path;
    next_known_ = false;
    entered_ = true;
  }
  seal_seen_ = false;
  at_.offset = offset;
  at_.lsn = at_.previous_end = end;
  at_.last_crc = batch_.header.crc;
  return Look::kTaken;
}

// ---- nothing valid at X, although it was durable ----

// kBatch: try again.
absl::StatusOr<LogTail::Step> LogTail::Explain() {
  if (pieces_contradict_) return Damaged(current_.path, at_.offset, FormatRule::kOk, "C5");
  if (next_known_ && next_.header.previous_end < at_.lsn) return Step::kCutBack;
  const bool next_lost = beyond_current() && !next_known_ && !broken_in_next_;
  // Its name goes before its bytes change, and the older file before the younger one: so as long as
  // X's file is what it was, nothing behind it has been truncated either.
  const absl::StatusOr<SegmentFile> now = ReadSegment(current_.sequence);
  if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
  if (!now.ok() || !now->started() || !(now->header == current_.header)) return Overtaken();
  if (!strict()) return Step::kCaughtUp;
  if (broken_in_next_) return Damaged(next_.path, kBlockBytes, broken_, "C2");
  if (next_lost && next_missing_) {
    return Damaged(absl::StrCat(directory_, "/", SegmentFileName(current_.sequence + 1)), 0,
                   FormatRule::kOk, "C4");
  }
  if (next_lost) {
    return Damaged(next_.path, 0, next_.started() ? FormatRule::kSegmentFields : next_.rule, "C3");
  }
  return Damaged(current_.path, at_.offset, broken_, beyond_current() ? "C2" : "C1");
}

// X's file, or the next one, is not there any more: what is? kBatch: try again.
absl::StatusOr<LogTail::Step> LogTail::Overtaken() {
  const absl::StatusOr<SegmentFile> now = ReadSegment(current_.sequence);
  if (now.ok() && now->started() && now->header == current_.header) return Step::kCaughtUp;
  if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files_, io_, directory_));
  for (const SegmentFile& segment : segments) {
    if (!segment.started()) continue;
    if (segment.header.base_lsn <= current_.header.base_lsn) return Step::kCutBack;
    if (Follows(current_.header, segment.header)) {
      const Lsn end = segment.header.previous_end;
      stale_ = true;
      if (end == at_.lsn || (seal_seen_ && end == seal_end_)) return Step::kBatch;
    }
    oldest_ = segment.header.base_lsn;
    return Step::kTruncated;
  }
  return absl::AbortedError(absl::StrCat(directory_, ": every segment of the log was removed"));
}

LogTail::Step LogTail::Damaged(const std::string& file, uint64_t offset, FormatRule rule,
                               const char* row) {
  report_ = LogEndReport();
  report_.end = LogEnd::kDamaged;
  report_.row = row;
  report_.lsn = at_.lsn;
  report_.last_crc = at_.last_crc;
  report_.file = file;
  report_.offset = offset;
  report_.rule = rule;
  report_.witness_file = witness_file_;
  report_.witness_offset = witness_offset_;
  report_.witness_durable = durable_;
  return Step::kDamaged;
}

}  // namespace corewal
