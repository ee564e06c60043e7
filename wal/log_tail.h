// wal/log_tail.h: walks the batches of a log that is being written, as far as they are known to be
// durable, and notices when the log is truncated, recycled or damaged under it.
//
//   X = behind the last batch taken      D = known to be durable
//
//   X < D, a valid batch stands at X                                       -> kBatch
//   X < D, the next segment says that the log before it ended at X (R0)    -> its first batch
//   X >= D, and nothing tells a higher D                                   -> kCaughtUp
//   X < D, X read anew is not valid: X's file is gone or another segment's -> kTruncated, kCutBack
//                                    X's file is what it was               -> kDamaged
//
// A file may be recycled at any moment, also between two reads of it. Its name changes before its
// bytes do, and each batch is checked in a buffer of ours (LSN, incarnation, chain, CRC), so
// nothing of its next life is ever taken for this one; a batch that fails is read anew, after D was
// known, before it is called anything. A seal is never passed: the next batch of the opening
// overwrites it.
//
// Used by LogFollower. Thread: that of the storage, which is this object's alone while it lives.
#ifndef COREWAL_WAL_LOG_TAIL_H_
#define COREWAL_WAL_LOG_TAIL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/batch_scanner.h"
#include "wal/format.h"
#include "wal/log_end.h"
#include "wal/lsn.h"
#include "wal/piece_tracker.h"
#include "wal/segment_set.h"
#include "wal/segment_stream.h"

namespace corewal {

// How a follower learns what is durable.
struct DurableSource {
  // The writer's durable() (or what was copied from it), read from any thread; only grows. If set,
  // the others are not looked at.
  std::function<Lsn()> lsn;
  // Without `lsn`: the log on disk bears witness itself (FORMAT.md, `durable`), which lags by about
  // a batch, and by seal_after_us for the last one. True: do not wait for a witness, take every
  // valid batch; what was handed out may then be cut off by a crash (kCutBack).
  bool unwitnessed = false;
};

class LogTail {
 public:
  enum class Step : uint8_t { kBatch, kCaughtUp, kTruncated, kCutBack, kDamaged, kFailed };
  struct Options {
    Lsn from;
    uint32_t read_ahead = 4;
    DirectMode direct = DirectMode::kAuto;
    DurableSource durable;
  };
  // Errors: ResourceExhausted, `io` has fewer than two free buffers.
  static absl::StatusOr<std::unique_ptr<LogTail>> Create(FileSystem& files, StorageIo& io,
                                                         std::string directory, Options options);

  // Moves to the next batch with records. After kCaughtUp it may be called again; the rest is
  // final.
  Step Next();

  const ScannedBatch& batch() const { return batch_; }
  const SegmentHeader& segment_header() const { return current_.header; }
  const std::string& segment_path() const { return current_.path; }
  uint64_t segment_bytes() const { return current_.size_bytes; }

  Lsn position() const { return at_.lsn; }  // X: behind the last batch taken
  Lsn known_durable() const { return durable_; }
  Lsn oldest() const { return oldest_; }                  // kTruncated: the first LSN that is left
  const LogEndReport& report() const { return report_; }  // kDamaged, kFailed

 private:
  // What came of one look at X.
  enum class Look : uint8_t { kTaken, kNothing, kEnd };
  struct Position {
    uint64_t offset = kBlockBytes;  // X in the current segment's file
    Lsn lsn;                        // behind the last batch
    Lsn previous_end;               // the same, but before a log's first batch what its header says
    uint32_t last_crc = 0;
  };

  LogTail(FileSystem& files, StorageIo& io, std::string directory, Options options,
          std::unique_ptr<SegmentStream> stream)
      : files_(files),
        io_(io),
        directory_(std::move(directory)),
        options_(std::move(options)),
        stream_(std::move(stream)) {}

  absl::StatusOr<Step> TryNext();
  absl::StatusOr<bool> Begin();  // false: the log has not started
  bool KnownDurableIn(const SegmentFile& first, const SegmentFile& started) const;
  absl::Status BeginIn(const std::vector<SegmentFile>& segments);

  // D. The second and third by what is on disk.
  absl::Status LearnDurable();
  absl::Status LearnFromLaterHeaders();
  absl::Status LearnFromBatches();
  absl::Status WalkHeaders(const SegmentFile& segment, uint64_t offset);
  absl::Status LookFurther();
  void Witness(Lsn durable, const std::string& file, uint64_t offset);
  bool strict() const { return options_.durable.lsn != nullptr || !options_.durable.unwitnessed; }
  bool beyond_current() const { return durable_ > current_end(); }
  Lsn current_end() const { return current_.header.base_lsn + current_.header.segment_bytes; }

  // The next segment's header, as far as it has started.
  absl::Status ProbeNext();
  absl::StatusOr<SegmentFile> ReadSegment(uint64_t sequence);  // NotFound: there is none
  bool NextBeginsAt(Lsn end, uint32_t crc) const;

  absl::StatusOr<Look> LookOnce(bool fresh);
  absl::StatusOr<Look> LookAtX(bool fresh);
  absl::StatusOr<Look> EnterNext(Lsn end, uint32_t crc);
  BatchContext ContextAt(const SegmentHeader& header, const Position& position) const;
  absl::StatusOr<Look> Take(const SegmentFile& segment, const Position& position);
  absl::StatusOr<Step> Explain();
  absl::StatusOr<Step> Overtaken();
  Step Damaged(const std::string& file, uint64_t offset, FormatRule rule, const char* row);

  FileSystem& files_;
  StorageIo& io_;
  const std::string directory_;
  const Options options_;
  std::unique_ptr<SegmentStream> stream_;
  std::string stream_path_;  // what it has open; empty: nothing, or not at X

  bool begun_ = false;
  SegmentFile current_;
  Position at_;
  PieceTracker pieces_;
  ScannedBatch batch_;
  bool pieces_contradict_ = false;
  FormatRule broken_ = FormatRule::kOk;  // at X, or at the next segment's first batch
  bool broken_in_next_ = false;

  bool next_known_ = false;    // it has started and comes behind current_: next_ is its header
  bool next_missing_ = false;  // there was no file
  bool entered_ = true;        // a segment, and have not asked for the next one yet
  SegmentFile next_;
  bool seal_seen_ = false;  // a seal stands at X
  Lsn seal_end_;
  uint32_t seal_crc_ = 0;

  bool limited_ = false;  // a batch or a seal stands at X that goes beyond D
  bool stale_ = false;    // what was read at X is from before this call

  Lsn durable_;
  std::string witness_file_;
  uint64_t witness_offset_ = 0;
  uint64_t stuck_ = 0;  // kCaughtUp in a row

  Step final_ = Step::kBatch;  // kBatch: none
  Lsn oldest_;
  LogEndReport report_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_TAIL_H_
