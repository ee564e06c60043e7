// D: how a LogTail learns what is durable, from the writer or from what the log says of itself.
#include <algorithm>

#include "base/status_macros.h"
#include "wal/log_tail.h"
#include "wal/segment_chain.h"

namespace corewal {

void LogTail::Witness(Lsn durable, const std::string& file, uint64_t offset) {
  if (durable <= durable_) return;
  durable_ = durable;
  witness_file_ = file;
  witness_offset_ = offset;
}

absl::Status LogTail::LearnDurable() {
  if (options_.durable.lsn != nullptr) {
    Witness(options_.durable.lsn(), "the writer", 0);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ProbeNext());
  if (options_.durable.unwitnessed) {
    durable_ = Lsn(UINT64_MAX);
    return absl::OkStatus();
  }
  const Lsn before = durable_;
  RETURN_IF_ERROR(LearnFromLaterHeaders());
  // If D is beyond X already, but not beyond what stands there, headers that say no more than that
  // are not enough.
  if (durable_ > at_.lsn && (!limited_ || durable_ > before)) return absl::OkStatus();
  RETURN_IF_ERROR(LearnFromBatches());
  constexpr uint64_t kLookFurtherAfter = 8;
  const bool power_of_two = (stuck_ & (stuck_ - 1)) == 0;
  if (durable_ <= at_.lsn && stuck_ >= kLookFurtherAfter && power_of_two) return LookFurther();
  return absl::OkStatus();
}

// A reader that is far behind learns from one block of each segment how far it may go on.
absl::Status LogTail::LearnFromLaterHeaders() {
  Witness(current_.header.durable, current_.path, 0);
  if (!next_known_) return absl::OkStatus();
  SegmentFile last = next_;
  Witness(last.header.durable, last.path, 0);
  while (!beyond_current()) {
    absl::StatusOr<SegmentFile> later = ReadSegment(last.sequence + 1);
    if (absl::IsNotFound(later.status())) return absl::OkStatus();
    RETURN_IF_ERROR(later.status());
    if (!later->started() || !Follows(last.header, later->header)) return absl::OkStatus();
    last = *std::move(later);
    Witness(last.header.durable, last.path, 0);
  }
  return absl::OkStatus();
}

absl::Status LogTail::LearnFromBatches() {
  const Lsn before = durable_;
  RETURN_IF_ERROR(WalkHeaders(current_, at_.offset));
  if (!next_known_) return absl::OkStatus();
  RETURN_IF_ERROR(WalkHeaders(next_, kBlockBytes));
  // Batches of several segments may be on their way to the device at once; then only the last of
  // them say that what is here is durable.
  SegmentFile last = next_;
  while (durable_ <= at_.lsn || (limited_ && durable_ <= before)) {
    absl::StatusOr<SegmentFile> later = ReadSegment(last.sequence + 1);
    if (absl::IsNotFound(later.status())) return absl::OkStatus();
    RETURN_IF_ERROR(later.status());
    if (!later->started() || !Follows(last.header, later->header)) return absl::OkStatus();
    last = *std::move(later);
    RETURN_IF_ERROR(WalkHeaders(last, kBlockBytes));
  }
  return absl::OkStatus();
}

// The credible batch headers from `offset` on, as far as one follows the other.
absl::Status LogTail::WalkHeaders(const SegmentFile& segment, uint64_t offset) {
  constexpr uint64_t kWalkBytesMax = 16 << 20;
  const SegmentHeader& header = segment.header;
  const uint64_t begin = offset;
  stream_path_.clear();
  // One block first: mostly there is nothing yet.
  uint64_t window = offset + kBlockBytes;
  const absl::Status opened =
      stream_->Open(segment.path, offset, std::min(window, header.segment_bytes));
  if (absl::IsNotFound(opened)) return absl::OkStatus();
  RETURN_IF_ERROR(opened);
  for (;;) {
    if (offset + kBlockBytes > window) {
      if (durable_ > at_.lsn && offset - begin > kWalkBytesMax) return absl::OkStatus();
      window = header.segment_bytes;
      RETURN_IF_ERROR(stream_->Restart(offset, window));
    }
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                     stream_->View(offset, kBatchHeaderBytes));
    BatchHeader batch;
    if (DecodeBatchHeader(bytes, &batch) != FormatRule::kOk ||
        batch.lsn != header.base_lsn + offset || batch.incarnation != header.incarnation) {
      return absl::OkStatus();
    }
    // As in FindWitness: this place is not the end of a batch.
    if (batch.durable != header.base_lsn + kBlockBytes) {
      Witness(batch.durable, segment.path, offset);
    }
    offset += batch.length_bytes;
    if (durable_ > at_.lsn && offset - begin > kWalkBytesMax) return absl::OkStatus();
  }
}

// A damaged header at X hides those behind it. Looking at every block is dear, so it is done
// rarely.
absl::Status LogTail::LookFurther() {
  WitnessSearch search;
  search.base_lsn = current_.header.base_lsn;
  search.beyond = at_.lsn;
  search.incarnation = current_.header.incarnation;
  search.previous_end = current_.header.previous_end;
  stream_path_.clear();
  const uint64_t from = at_.offset + kBlockBytes;
  const absl::Status opened = stream_->Open(current_.path, from, current_.header.segment_bytes);
  if (absl::IsNotFound(opened)) return absl::OkStatus();
  RETURN_IF_ERROR(opened);
  ASSIGN_OR_RETURN(const WitnessScan scan, FindWitness(*stream_, from, search));
  if (scan.witness.has_value()) {
    Witness(scan.witness->durable, current_.path, scan.witness->offset);
  }
  return absl::OkStatus();
}

}  // namespace corewal
