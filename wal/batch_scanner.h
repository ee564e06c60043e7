// wal/batch_scanner.h: the batches of one open segment file: valid ones in order, and behind the
// last of them the headers that may bear witness.
//
//   header block | batch | batch | X: no valid batch | ... | credible header | ...
//                  Next()          rule()              FindWitness()
//
// The file is that of a SegmentStream, opened by the caller. Thread: the stream's.
#ifndef COREWAL_WAL_BATCH_SCANNER_H_
#define COREWAL_WAL_BATCH_SCANNER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "wal/format.h"
#include "wal/segment_stream.h"

namespace corewal {

// A valid batch, in the stream's buffers: valid until the stream moves.
struct ScannedBatch {
  BatchHeader header;
  absl::Span<const std::byte> bytes;
  uint32_t last_piece_at = 0;  // in `bytes`; 0 for a seal
  bool stands = false;  // a header of the right LSN and incarnation is there, valid batch or not
};

// Checks the batch at `context.lsn`, which is at `offset` of the stream's file. The rule that it
// breaks, or kOk and `batch`. If it breaks one but `stands`, batch->header is what stands there.
absl::StatusOr<FormatRule> CheckBatchAt(SegmentStream& stream, uint64_t offset,
                                        const BatchContext& context, ScannedBatch* batch);

// Where to look for headers that say that bytes beyond `beyond` were durable.
struct WitnessSearch {
  Lsn base_lsn;             // of the file
  Lsn beyond;               // X
  Incarnation incarnation;  // of the segment
  bool or_later = false;    // its header is lost: a higher count will do
  // What a batch means by durable == base_lsn + one block: the end of the log before the segment.
  // Batches should not say that; if they do it must not look like more than it is.
  Lsn previous_end;
};
struct WitnessFound {
  uint64_t offset = 0;
  Lsn durable;
};
struct WitnessScan {
  std::optional<WitnessFound> witness;
  uint64_t unfinished_bytes = 0;  // of credible batches seen before the witness
};
// Moves `offset` to the first credible header at or behind it, and decodes it. False: there is
// none.
absl::StatusOr<bool> FindCredible(SegmentStream& stream, const WitnessSearch& search,
                                  uint64_t* offset, BatchHeader* header);
// Looks at every block from `offset` to the end of the file, but not inside a credible batch: what
// a record holds is no header.
absl::StatusOr<WitnessScan> FindWitness(SegmentStream& stream, uint64_t offset,
                                        const WitnessSearch& search);

}  // namespace corewal

#endif  // COREWAL_WAL_BATCH_SCANNER_H_
