#include "wal/batch_scanner.h"

#include "base/status_macros.h"

namespace corewal {

absl::StatusOr<FormatRule> CheckBatchAt(SegmentStream& stream, uint64_t offset,
                                        const BatchContext& context, ScannedBatch* batch) {
  ASSIGN_OR_RETURN(absl::Span<const std::byte> bytes, stream.View(offset, kBatchHeaderBytes));
  const FormatRule header_rule = DecodeBatchHeader(bytes, &batch->header);
  if (header_rule == FormatRule::kOk) {
    // Its length is credible, so the whole of it is worth reading.
    ASSIGN_OR_RETURN(bytes, stream.View(offset, batch->header.length_bytes));
  }
  batch->last_piece_at = 0;
  const FormatRule rule = CheckBatch(bytes, context, &batch->header, &batch->last_piece_at);
  batch->stands = (header_rule == FormatRule::kOk || header_rule >= FormatRule::kBatchLsn) &&
                  batch->header.lsn == context.lsn &&
                  batch->header.incarnation == context.incarnation;
  if (rule == FormatRule::kOk) {
    batch->bytes = bytes;
    if (batch->header.record_count == 0) batch->last_piece_at = 0;
  }
  return rule;
}

absl::StatusOr<WitnessScan> FindWitness(SegmentStream& stream, uint64_t offset,
                                        const WitnessSearch& search) {
  WitnessScan scan;
  while (offset < stream.limit()) {
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                     stream.View(offset, kBatchHeaderBytes));
    BatchHeader header;
    const bool credible =
        DecodeBatchHeader(bytes, &header) == FormatRule::kOk &&
        header.lsn == search.base_lsn + offset &&
        (header.incarnation == search.incarnation ||
         (search.or_later && header.incarnation.count() > search.incarnation.count()));
    if (!credible) {
      offset += kBlockBytes;
      continue;
    }
    const bool block_behind_header = header.durable == search.base_lsn + kBlockBytes;
    const Lsn durable = block_behind_header ? search.previous_end : header.durable;
    if (durable > search.beyond) {
      scan.witness = WitnessFound{offset, durable};
      return scan;
    }
    scan.unfinished_bytes += header.length_bytes;
    offset += header.length_bytes;
  }
  return scan;
}

}  // namespace corewal
