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

absl::StatusOr<bool> FindCredible(SegmentStream& stream, const WitnessSearch& search,
                                  uint64_t* offset, BatchHeader* header) {
  for (; *offset < stream.limit(); *offset += kBlockBytes) {
    ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes,
                     stream.View(*offset, kBatchHeaderBytes));
    if (DecodeBatchHeader(bytes, header) != FormatRule::kOk) continue;
    if (header->lsn != search.base_lsn + *offset) continue;
    if (header->incarnation == search.incarnation) return true;
    if (search.or_later && header->incarnation.count() > search.incarnation.count()) return true;
  }
  return false;
}

absl::StatusOr<WitnessScan> FindWitness(SegmentStream& stream, uint64_t offset,
                                        const WitnessSearch& search) {
  WitnessScan scan;
  for (;;) {
    BatchHeader header;
    ASSIGN_OR_RETURN(const bool found, FindCredible(stream, search, &offset, &header));
    if (!found) return scan;
    const bool block_behind_header = header.durable == search.base_lsn + kBlockBytes;
    const Lsn durable = block_behind_header ? search.previous_end : header.durable;
    if (durable > search.beyond) {
      scan.witness = WitnessFound{offset, durable};
      return scan;
    }
    scan.unfinished_bytes += header.length_bytes;
    offset += header.length_bytes;
  }
}

}  // namespace corewal
