// wal/log_follower.h: reads the records of a log that is being written, up to what is durable, for
// replication and stream processing.
//
//   ASSIGN_OR_RETURN(auto follower, LogFollower::Open(files, io, directory, {.from = resume}));
//   RecordView record;
//   for (;;) switch (follower->Next(&record)) {
//     case FollowEvent::kRecord:   Use(record); break;
//     case FollowEvent::kCaughtUp: wait for more; break;
//     default:                     return follower->status();    // says what happened
//   }
//
// Goes on over rolls, reopenings and recycled files; from any LSN; to be resumed at position().
// What has been handed out was durable and is never taken back (unless DurableSource::unwitnessed).
// It needs nothing of the writer: it may be in another process, on a read-only mount, of another
// user who may read the files.
//
// Thread: one at a time, that of `io`, which it uses alone while it lives.
// Memory: read_ahead + 1 buffers of `io`, plus one record if records span batches and `pieces` is
// off. Blocks for the reads only; kCaughtUp costs no system call as long as DurableSource::lsn says
// that there is nothing new.
#ifndef COREWAL_WAL_LOG_FOLLOWER_H_
#define COREWAL_WAL_LOG_FOLLOWER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/batch_records.h"
#include "wal/log_end.h"
#include "wal/log_tail.h"
#include "wal/lsn.h"

namespace corewal {

enum class FollowEvent : uint8_t {
  kRecord,     // *record is the next one
  kCaughtUp,   // nothing more is durable yet: call again later
  kTruncated,  // records at position() are gone: oldest() is where the log begins now
  kCutBack,    // unwitnessed only: a crash cut off what had been handed out
  kDamaged,    // what was durable cannot be read; report() says which file, offset and rule
  kFailed,     // reading failed
};

struct LogFollowerOptions {
  Lsn from;  // first record with lsn >= from; 0: from the oldest that is there
  DurableSource durable;
  uint32_t read_ahead = 4;  // reads in flight, at least 1; at most those free in `io` but one
  DirectMode direct = DirectMode::kAuto;
  bool pieces = false;     // as LogReaderOptions has it: memory stays bounded
  bool user_only = false;  // passes over corewal's own records (control_record.h)
};

class LogFollower {
 public:
  // `directory` is the shard's; the log may not have begun yet. `files` and `io` must outlive this.
  // ResourceExhausted: `io` has fewer than two free buffers.
  static absl::StatusOr<std::unique_ptr<LogFollower>> Open(FileSystem& files, StorageIo& io,
                                                           std::string directory,
                                                           const LogFollowerOptions& options);

  // record->payload is valid until the next call (OwnedRecord copies it). All but kRecord and
  // kCaughtUp are final.
  FollowEvent Next(RecordView* record) {
    if (records_.NextWhole(record)) {
      next_from_ = record->lsn + 1;
      return FollowEvent::kRecord;
    }
    return NextSlow(record);
  }

  // Pass it as `from` to go on behind the last record handed out (a record of which only some
  // pieces were handed out comes again, whole). After kCaughtUp exactly the end of what was read.
  Lsn position() const { return next_from_; }
  Lsn known_durable() const { return tail_->known_durable(); }
  Lsn oldest() const { return tail_->oldest(); }  // kTruncated
  const LogEndReport& report() const { return tail_->report(); }
  // OutOfRange (kTruncated), Aborted (kCutBack), DataLoss (kDamaged), or why reading failed; OK
  // while it goes on.
  absl::Status status() const;

  const BatchHeader& batch_header() const { return records_.header(); }
  const SegmentHeader& segment_header() const { return tail_->segment_header(); }
  const std::string& segment_path() const { return tail_->segment_path(); }

 private:
  LogFollower(std::unique_ptr<LogTail> tail, const LogFollowerOptions& options);
  FollowEvent NextSlow(RecordView* record);

  BatchRecords records_;
  std::unique_ptr<LogTail> tail_;
  Lsn next_from_;
  uint64_t file_bytes_ = 0;  // of the segments entered
  std::string entered_path_;
  FollowEvent last_ = FollowEvent::kCaughtUp;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_FOLLOWER_H_
