// wal/log_scanner.h: walks one shard's valid batches in LSN order, over segments, to the log's end.
//
//   Enter segment -> valid batch -> valid batch -> next segment says "I begin here" (R0) -> ...
//                                               \> nothing valid: TailSearch gives the verdict
//
// The one place that knows how a log goes on; LogReader and RecoverLog both stand on it.
// Thread: that of the storage, which is this scanner's alone while it lives.
#ifndef COREWAL_WAL_LOG_SCANNER_H_
#define COREWAL_WAL_LOG_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/batch_scanner.h"
#include "wal/log_end.h"
#include "wal/piece_tracker.h"
#include "wal/segment_set.h"
#include "wal/segment_stream.h"
#include "wal/tail_search.h"

namespace corewal {

class LogScanner {
 public:
  struct Options {
    size_t first = 0;  // index of the segment to begin at
    // If in that segment: everything before it is known to be part of the log, so that the scan may
    // begin with the batch that stands there (FindScanStart). 0: it begins with the first batch.
    Lsn proven;
    uint32_t read_ahead = 8;
    DirectMode direct = DirectMode::kAuto;
  };
  // `segments` ascend by sequence; those of other logs and versions have been refused already.
  // ResourceExhausted: `io` has no free buffer.
  static absl::StatusOr<std::unique_ptr<LogScanner>> Create(FileSystem& files, StorageIo& io,
                                                            std::vector<SegmentFile> segments,
                                                            const Options& options);

  // Moves to the next valid batch. False: none; end() says why, for good.
  bool Next();

  // After kDamaged: moves behind the damage, to the next batch that is valid but for the chain, so
  // that Next goes on with it. False: there is none, end() stays as it is.
  absl::StatusOr<bool> SkipDamage(SkippedRange* skipped);

  // The batch moved to: in the reader's buffers until the next call.
  const ScannedBatch& batch() const { return batch_; }
  const SegmentFile& segment() const { return segments_[current_]; }
  uint64_t batch_offset() const { return at_.offset - batch_.header.length_bytes; }  // in its file

  // Behind the last batch moved to: what comes next has this LSN or a larger one. 0: not begun.
  Lsn position() const { return begun_ ? at_.lsn : Lsn(); }
  uint64_t position_offset() const { return at_.offset; }  // in the file of segment()

  const LogEndReport& end() const { return end_; }
  const std::vector<SegmentFile>& segments() const { return segments_; }
  // Segments 0 .. live() - 1 are the log; the last of them holds end().lsn. Valid at the end.
  size_t live() const { return begun_ ? at_.tail + 1 : 0; }
  uint64_t segments_entered() const { return segments_entered_; }

 private:
  LogScanner(std::vector<SegmentFile> segments, std::unique_ptr<SegmentStream> stream,
             const Options& options)
      : options_(options), segments_(std::move(segments)), stream_(std::move(stream)) {}

  absl::StatusOr<bool> Step();
  absl::StatusOr<bool> Begin();
  absl::StatusOr<bool> BeginAtProven();
  absl::Status Enter(size_t index);
  absl::Status ReopenAt(uint64_t offset);
  // X, and the end of the log so far.
  struct Position {
    uint64_t offset = 0;  // X in the current segment's file
    Lsn lsn;              // behind the last valid batch
    Lsn previous_end;     // the same, but before the log's first batch what its header says
    uint32_t last_crc = 0;
    bool last_is_seal = false;
    size_t tail = 0;  // segment of the last valid batch, or of the log's beginning
  };
  bool NextSegmentBeginsAt(const Position& position) const;
  BatchContext ContextAt(const Position& position) const;
  void Accept();
  // The log ends here (false), or it has gone on while it was being read (true).
  absl::StatusOr<bool> Conclude(FormatRule rule, bool pieces_contradict);
  // The seal before X has been overwritten or passed over since it was read.
  absl::StatusOr<bool> SealIsGone();
  absl::StatusOr<bool> ResumeInSegment(uint64_t offset);
  absl::StatusOr<uint64_t> LiveBytes();
  // The scan goes on with what stands at `offset` of the current segment, which the stream has
  // open, if it is a batch that keeps every rule but the chain. A seal must know `previous_end` to
  // be durable.
  absl::StatusOr<bool> ResumeAt(uint64_t offset, Lsn previous_end);
  absl::StatusOr<bool> ResumeInLaterSegment(size_t index);

  const Options options_;
  std::vector<SegmentFile> segments_;
  std::unique_ptr<SegmentStream> stream_;
  PieceTracker pieces_;

  bool begun_ = false;
  size_t current_ = 0;  // segment that X is in
  Position at_;
  Position before_seal_;  // meaningful if at_.last_is_seal
  uint64_t segments_entered_ = 0;

  ScannedBatch batch_;
  LogEndReport end_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_SCANNER_H_
