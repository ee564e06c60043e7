// wal/log_reader.h: reads one shard's records in LSN order and says exactly how the log ends.
//
//   ASSIGN_OR_RETURN(auto reader, LogReader::Open(files, io, directory, {}));
//   RecordView record;
//   while (reader->Next(&record)) Use(record.lsn, record.payload);
//   // reader->end() says why there was no more: sealed, torn, damaged, or the I/O error
//
// The reader pulls batches with read-ahead, checks each by FORMAT.md's rules before it hands out
// any record of it, follows the log over segments, and where a batch is not valid applies the
// recovery decision table. It never writes.
//
// Thread: one at a time, that of `io`, which it uses alone while it lives.
// Memory: read_ahead buffers of `io`, plus one record if records span batches and `pieces` is off.
#ifndef COREWAL_WAL_LOG_READER_H_
#define COREWAL_WAL_LOG_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/batch_records.h"
#include "wal/format.h"
#include "wal/log_end.h"
#include "wal/lsn.h"
#include "wal/segment_set.h"

namespace corewal {

class LogScanner;

struct LogReaderOptions {
  Lsn from;                 // first record with lsn >= from; 0: from the start
  Lsn to{UINT64_MAX};       // stop before the first record with lsn >= to
  uint32_t read_ahead = 8;  // reads in flight, at least 1; fewer if `io` has fewer buffers free
  DirectMode direct = DirectMode::kAuto;
  // Records that span batches come piece by piece: memory stays bounded. Of one that was cut off by
  // a crash, or given up, the last piece does not come: another record, or the end, comes instead.
  bool pieces = false;
  bool skip_damaged = false;  // passes over what is damaged; skipped() says what that was
  bool user_only = false;     // passes over corewal's own records (control_record.h)
  // If set, called with each valid batch's headers, seals included, before its first record is
  // handed out. The reader may begin at a batch before `from`.
  std::function<void(const std::string& path, const SegmentHeader&, const BatchHeader&)> on_batch;
};

class LogReader {
 public:
  // Errors: those of ListSegments; FailedPrecondition for a segment of another log or of a newer
  // format version, naming the file.
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(FileSystem& files, StorageIo& io,
                                                         const std::string& directory,
                                                         const LogReaderOptions& options);
  // Reads exactly these files (wal-dump SEGMENT...), ascending by sequence, as ReadSegmentFile
  // found them. A log that began before the first of them or goes on beyond the last is not damage.
  // InvalidArgument: not ascending. FailedPrecondition: as above, or the first is no segment.
  static absl::StatusOr<std::unique_ptr<LogReader>> OpenFiles(FileSystem& files, StorageIo& io,
                                                              std::vector<SegmentFile> segments,
                                                              const LogReaderOptions& options);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // False: no more; end() says why. True again is possible only after kNotYet.
  bool Next(RecordView* record) {
    if (__builtin_expect(records_.NextWhole(record), 1)) {
      Count(*record);
      return true;
    }
    return NextSlow(record);
  }

  // What wal-dump shows besides records: the headers under the record last returned (or, for
  // batches without records such as seals, under the end reached).
  const SegmentHeader& segment_header() const { return segment_header_; }
  const std::string& segment_path() const { return segment_path_; }
  const BatchHeader& batch_header() const { return records_.header(); }

  const LogEndReport& end() const { return end_; }
  // skip_damaged: what was passed over, in order. If nothing valid comes behind a damage, end() is
  // that damage. What recovery had dropped stays dropped: where no header of an opening is left
  // that knows where it ended the log before it, the rest of that segment counts as lost.
  const std::vector<SkippedRange>& skipped() const { return skipped_; }

  struct Totals {
    uint64_t segments = 0, batches = 0, seals = 0;
    uint64_t records = 0;  // with `pieces`, the parts of records
    uint64_t payload_bytes = 0;
    uint64_t padding_bytes = 0;  // of batches
    uint64_t file_bytes = 0;     // read and checked
    Lsn first_lsn, last_lsn;     // of records; 0 if none
    Epoch first_epoch, last_epoch;
  };
  const Totals& totals() const { return totals_; }

 private:
  LogReader(std::unique_ptr<LogScanner> scanner, const LogReaderOptions& options);
  static absl::StatusOr<std::unique_ptr<LogReader>> OpenSegments(FileSystem& files, StorageIo& io,
                                                                 std::vector<SegmentFile> segments,
                                                                 const LogReaderOptions& options);

  bool NextSlow(RecordView* record);
  bool LoadBatch();  // false: the end
  bool MoveOn();     // the scanner, over damage if that is wanted
  void TakeScannedBatch();
  void EndAtLimit(Lsn lsn, uint64_t offset);
  void Count(const RecordView& record) {
    ++totals_.records;
    totals_.payload_bytes += record.payload.size();
    totals_.last_lsn = record.lsn;
  }

  BatchRecords records_;
  Totals totals_;

  std::unique_ptr<LogScanner> scanner_;
  const LogReaderOptions options_;
  bool given_files_ = false;
  bool scanned_ahead_ = false;  // the scanner stands on a batch not yet taken
  SegmentHeader segment_header_;
  std::string segment_path_;
  LogEndReport end_;
  std::vector<SkippedRange> skipped_;
  absl::Status skip_error_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_READER_H_
