#include "wal/tail_search.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/segment_chain.h"

namespace corewal {
namespace {

constexpr uint64_t kToTheEnd = kSegmentBytesMax;  // the header that would say is lost

std::string SiblingPath(const std::string& path, uint64_t sequence) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  return absl::StrCat(directory, SegmentFileName(sequence));
}

}  // namespace

absl::Status TailSearch::Refresh(size_t index) {
  SegmentFile& segment = segments_[index];
  RETURN_IF_ERROR(stream_.Open(segment.path, 0, kBlockBytes));
  ASSIGN_OR_RETURN(const absl::Span<const std::byte> block, stream_.View(0, kBlockBytes));
  segment.rule = DecodeSegmentHeader(block, &segment.header);
  return absl::OkStatus();
}

absl::StatusOr<LogEndReport> TailSearch::AtTail(const TailPlace& place) {
  const SegmentFile& segment = segments_[place.segment];
  evidence_ = TailEvidence();
  report_ = LogEndReport();
  evidence_.any_started = true;
  evidence_.pieces_contradict = place.pieces_contradict;
  evidence_.last_is_seal = place.last_is_seal;
  evidence_.batch_at_x = place.batch_stands;
  const uint64_t needed = place.batch_stands ? place.batch_bytes : kBlockBytes;
  evidence_.file_too_short =
      stream_.limit() < segment.header.segment_bytes && stream_.limit() < place.offset + needed;
  if (!place.pieces_contradict) {
    RETURN_IF_ERROR(SearchSameSegment(place));
    if (!found()) RETURN_IF_ERROR(SearchLater(place));
  }
  return Report(place);
}

void TailSearch::SetWitness(const SegmentFile& segment, uint64_t offset, Lsn durable,
                            TailEvidence::Witness where) {
  evidence_.witness = where;
  report_.witness_file = segment.path;
  report_.witness_offset = offset;
  report_.witness_durable = durable;
}

absl::Status TailSearch::SearchSameSegment(const TailPlace& place) {
  const SegmentFile& segment = segments_[place.segment];
  WitnessSearch search;
  search.base_lsn = segment.header.base_lsn;
  search.beyond = place.lsn;
  search.incarnation = segment.header.incarnation;
  search.previous_end = segment.header.previous_end;
  uint64_t from = place.offset + kBlockBytes;
  if (place.batch_stands) {
    const uint64_t left = stream_.limit() - std::min(stream_.limit(), place.offset);
    report_.torn_bytes = std::min<uint64_t>(place.batch_bytes, left);
    // Its length can be trusted unless it is what is wrong.
    const bool length_ok =
        place.rule != FormatRule::kBatchLength && place.rule != FormatRule::kBatchFields;
    if (length_ok) from = place.offset + place.batch_bytes;
  }
  return Search(segment, from, search, TailEvidence::Witness::kSameSegment);
}

absl::Status TailSearch::Search(const SegmentFile& segment, uint64_t from,
                                const WitnessSearch& search, TailEvidence::Witness where) {
  if (Mutated(Mutation::kDamageTakenForTail)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const WitnessScan scan, FindWitness(stream_, from, search));
  report_.torn_bytes += scan.unfinished_bytes;
  if (scan.witness.has_value()) {
    SetWitness(segment, scan.witness->offset, scan.witness->durable, where);
  }
  return absl::OkStatus();
}

absl::Status TailSearch::SearchLater(const TailPlace& place) {
  const SegmentHeader current = segments_[place.segment].header;
  bool next_present = false;
  for (size_t i = place.segment + 1; i < segments_.size() && !found(); ++i) {
    const absl::Status refreshed = Refresh(i);
    if (absl::IsNotFound(refreshed)) continue;  // removed since it was listed
    RETURN_IF_ERROR(refreshed);
    const SegmentFile& later = segments_[i];
    const bool next = later.sequence == current.sequence + 1;
    next_present |= next;
    const bool of_this_life = later.started() && MayFollow(current, later.header);
    if (of_this_life) {
      evidence_.later_started = true;
      if (next) evidence_.next = TailEvidence::Next::kStarted;
      RETURN_IF_ERROR(SearchStarted(i, place.lsn));
    } else if (next) {
      evidence_.next = TailEvidence::Next::kNotStarted;
      if (later.started()) continue;  // dead, left from before an earlier crash
      WitnessSearch search;
      search.base_lsn = current.base_lsn + current.segment_bytes;
      search.beyond = place.lsn;
      search.incarnation = current.incarnation;
      search.or_later = true;
      RETURN_IF_ERROR(SearchLostHeader(i, search));
    }
  }
  if (!next_present && evidence_.later_started) evidence_.next = TailEvidence::Next::kMissing;
  return absl::OkStatus();
}

absl::Status TailSearch::SearchStarted(size_t index, Lsn beyond) {
  const SegmentFile& segment = segments_[index];
  if (segment.header.durable > beyond && !Mutated(Mutation::kDamageTakenForTail)) {
    SetWitness(segment, 0, segment.header.durable, TailEvidence::Witness::kLaterSegment);
    return absl::OkStatus();
  }
  WitnessSearch search;
  search.base_lsn = segment.header.base_lsn;
  search.beyond = beyond;
  search.incarnation = segment.header.incarnation;
  search.previous_end = segment.header.previous_end;
  RETURN_IF_ERROR(stream_.Open(segment.path, kBlockBytes, segment.header.segment_bytes));
  return Search(segment, kBlockBytes, search, TailEvidence::Witness::kLaterSegment);
}

absl::Status TailSearch::SearchLostHeader(size_t index, const WitnessSearch& search) {
  const SegmentFile& segment = segments_[index];
  RETURN_IF_ERROR(stream_.Open(segment.path, kBlockBytes, kToTheEnd));
  return Search(segment, kBlockBytes, search, TailEvidence::Witness::kLaterSegment);
}

absl::StatusOr<LogEndReport> TailSearch::BeforeStart() {
  evidence_ = TailEvidence();
  report_ = LogEndReport();
  if (segments_.empty()) return Report({});
  const SegmentFile first = segments_[0];
  // A valid header of another sequence is that of a recycled file, whose old batches say nothing.
  if (first.rule != FormatRule::kOk) {
    RETURN_IF_ERROR(stream_.Open(first.path, kBlockBytes, kToTheEnd));
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                     stream_.View(kBlockBytes, kBatchHeaderBytes));
    BatchHeader batch;
    const bool batch_ok =
        DecodeBatchHeader(bytes, &batch) == FormatRule::kOk && batch.lsn.value() >= kBlockBytes;
    if (batch_ok || first.sequence == 1) {
      WitnessSearch search;
      search.base_lsn = Lsn(batch_ok ? batch.lsn.value() - kBlockBytes : 0);
      search.beyond = search.base_lsn + kBlockBytes;
      search.or_later = true;
      if (batch_ok) search.incarnation = batch.incarnation;
      RETURN_IF_ERROR(SearchLostHeader(0, search));
    }
  }
  // Where the first file's log begins is lost with its header; nothing of it can have been durable
  // only if later segments know of nothing durable at all.
  const Lsn beyond(first.sequence == 1 ? kBlockBytes : 0);
  for (size_t i = 1; i < segments_.size() && !found(); ++i) {
    if (segments_[i].started()) RETURN_IF_ERROR(SearchStarted(i, beyond));
  }
  TailPlace place;
  place.rule = first.rule == FormatRule::kOk ? FormatRule::kSegmentFields : first.rule;
  return Report(place);
}

LogEndReport TailSearch::Report(const TailPlace& place) {
  const TailVerdict verdict = DecideTail(evidence_);
  report_.end = verdict.end;
  report_.row = verdict.row;
  report_.lsn = place.lsn;
  report_.last_crc = place.last_crc;
  report_.offset = place.offset;
  report_.rule = place.rule;
  if (verdict.end != LogEnd::kTorn) report_.torn_bytes = 0;
  if (segments_.empty()) return report_;
  const SegmentFile& segment = segments_[place.segment];
  report_.file = segment.path;
  if (!evidence_.any_started || verdict.end != LogEnd::kDamaged ||
      evidence_.witness != TailEvidence::Witness::kLaterSegment) {
    return report_;
  }
  // The damage may be the next file itself: its header, or that it is not there.
  if (evidence_.next == TailEvidence::Next::kMissing) {
    report_.file = SiblingPath(segment.path, segment.sequence + 1);
    report_.offset = 0;
    report_.rule = FormatRule::kOk;
  } else if (evidence_.next == TailEvidence::Next::kNotStarted && !evidence_.file_too_short) {
    const SegmentFile& next = segments_[place.segment + 1];
    report_.file = next.path;
    report_.offset = 0;
    report_.rule = next.rule == FormatRule::kOk ? FormatRule::kSegmentFields : next.rule;
  }
  return report_;
}

}  // namespace corewal
