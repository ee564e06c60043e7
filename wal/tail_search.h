// wal/tail_search.h: where no valid batch stands, looks on for a witness, and calls the verdict.
//
// Used by LogScanner alone; the rules are in tail_verdict.h, the search is FORMAT.md's "Looking
// on".
#ifndef COREWAL_WAL_TAIL_SEARCH_H_
#define COREWAL_WAL_TAIL_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wal/batch_scanner.h"
#include "wal/format.h"
#include "wal/log_end.h"
#include "wal/segment_set.h"
#include "wal/segment_stream.h"
#include "wal/tail_verdict.h"

namespace corewal {

// X, and what is known there.
struct TailPlace {
  size_t segment = 0;   // index of the segment that X is in
  uint64_t offset = 0;  // of X in its file
  Lsn lsn;  // behind the last valid batch: bytes beyond it being durable is what matters
  uint32_t last_crc = 0;
  FormatRule rule = FormatRule::kOk;  // broken at X
  bool batch_stands = false;          // ScannedBatch::stands
  uint32_t batch_bytes = 0;           // its length_bytes, if it stands
  bool last_is_seal = false;
  bool pieces_contradict = false;
};

class TailSearch {
 public:
  // `stream` and `segments` must outlive this. The stream's open file changes; headers of segments
  // that have been written since they were listed are read again.
  TailSearch(SegmentStream& stream, std::vector<SegmentFile>& segments)
      : stream_(stream), segments_(segments) {}

  // The stream has X's file open. Errors: of reading.
  absl::StatusOr<LogEndReport> AtTail(const TailPlace& place);
  // The first file has not started. Errors: of reading.
  absl::StatusOr<LogEndReport> BeforeStart();

  // Reads the header of segments[index] again. NotFound: the file is gone.
  absl::Status Refresh(size_t index);

 private:
  absl::Status SearchSameSegment(const TailPlace& place);
  absl::Status SearchLater(const TailPlace& place);
  absl::Status SearchStarted(size_t index, Lsn beyond);
  absl::Status SearchLostHeader(size_t index, const WitnessSearch& search);
  // In the file that the stream has open, which is `segment`'s.
  absl::Status Search(const SegmentFile& segment, uint64_t from, const WitnessSearch& search,
                      TailEvidence::Witness where);
  void SetWitness(const SegmentFile& segment, uint64_t offset, Lsn durable,
                  TailEvidence::Witness where);
  bool found() const { return evidence_.witness != TailEvidence::Witness::kNone; }
  LogEndReport Report(const TailPlace& place);

  SegmentStream& stream_;
  std::vector<SegmentFile>& segments_;
  TailEvidence evidence_;
  LogEndReport report_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_TAIL_SEARCH_H_
