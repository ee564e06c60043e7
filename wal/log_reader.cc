#include "wal/log_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "wal/log_scanner.h"
#include "wal/segment_chain.h"

namespace corewal {
namespace {

// A file that was given to be read and is neither a segment nor one that waits to become one.
bool IsAlien(const SegmentFile& segment) {
  return segment.rule != FormatRule::kOk && !segment.blank;
}

absl::Status AlienStatus(const SegmentFile& segment) {
  return absl::FailedPreconditionError(
      absl::StrCat(segment.path, ": not a readable segment: ", FormatRuleText(segment.rule)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(FileSystem& files, StorageIo& io,
                                                           const std::string& directory,
                                                           const LogReaderOptions& options) {
  ASSIGN_OR_RETURN(std::vector<SegmentFile> segments, ListSegments(files, io, directory));
  return OpenSegments(files, io, std::move(segments), options);
}

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::OpenFiles(FileSystem& files, StorageIo& io,
                                                                std::vector<SegmentFile> segments,
                                                                const LogReaderOptions& options) {
  for (size_t i = 1; i < segments.size(); ++i) {
    if (segments[i].sequence > segments[i - 1].sequence) continue;
    return absl::InvalidArgumentError(absl::StrCat(segments[i].path, " does not come after ",
                                                   segments[i - 1].path, " in the log"));
  }
  const bool first_alien = !segments.empty() && IsAlien(segments[0]);
  const SegmentFile first = segments.empty() ? SegmentFile() : segments[0];
  ASSIGN_OR_RETURN(std::unique_ptr<LogReader> reader,
                   OpenSegments(files, io, std::move(segments), options));
  reader->given_files_ = true;
  if (first_alien) {
    // Damaged, if what it holds proves that it was a segment; else it never was one.
    reader->scanned_ahead_ = reader->scanner_->Next();
    if (reader->scanner_->end().end == LogEnd::kEmpty) return AlienStatus(first);
  }
  return reader;
}

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::OpenSegments(
    FileSystem& files, StorageIo& io, std::vector<SegmentFile> segments,
    const LogReaderOptions& options) {
  RETURN_IF_ERROR(CheckSameLog(segments, LogUuid()));
  LogScanner::Options scan;
  scan.first = FirstSegmentFor(segments, options.from);
  scan.read_ahead = options.read_ahead;
  scan.direct = options.direct;
  ASSIGN_OR_RETURN(std::unique_ptr<LogScanner> scanner,
                   LogScanner::Create(files, io, std::move(segments), scan));
  return std::unique_ptr<LogReader>(new LogReader(std::move(scanner), options));
}

LogReader::LogReader(std::unique_ptr<LogScanner> scanner, const LogReaderOptions& options)
    : records_({.from = options.from,
                .to = options.to,
                .pieces = options.pieces,
                .user_only = options.user_only}),
      scanner_(std::move(scanner)),
      options_(options) {
  uint64_t file_bytes = 0;  // what all files could hold
  for (const SegmentFile& segment : scanner_->segments()) file_bytes += segment.size_bytes;
  records_.AllowBytes(file_bytes);
}

LogReader::~LogReader() = default;

bool LogReader::NextSlow(RecordView* record) {
  for (;;) {
    if (end_.end != LogEnd::kNotYet) return false;
    const BatchRecords::Step step = records_.Next(record);
    if (step == BatchRecords::Step::kRecord) break;
    if (step == BatchRecords::Step::kLimit) {
      EndAtLimit(batch_header().lsn, batch_header().lsn - segment_header_.base_lsn);
    } else if (!LoadBatch()) {
      return false;
    }
  }
  Count(*record);
  // The first record of each batch comes this way, so the fast path need not look at these.
  if (totals_.records == 1) {
    totals_.first_lsn = record->lsn;
    totals_.first_epoch = record->epoch;
  }
  totals_.last_epoch = record->epoch;
  return true;
}

bool LogReader::MoveOn() {
  while (!scanner_->Next()) {
    if (!options_.skip_damaged || scanner_->end().end != LogEnd::kDamaged) return false;
    SkippedRange skipped;
    const absl::StatusOr<bool> found = scanner_->SkipDamage(&skipped);
    if (!found.ok()) {
      skip_error_ = found.status();
      return false;
    }
    if (!*found) return false;
    records_.DropOpen();
    skipped_.push_back(std::move(skipped));
  }
  return true;
}

bool LogReader::LoadBatch() {
  // What lies at or behind `to` is not asked for, and finding out how the log ends there may take a
  // search through the rest of a segment.
  if (!scanned_ahead_ && scanner_->position() >= options_.to && !records_.assembling()) {
    EndAtLimit(scanner_->position(), scanner_->position_offset());
    return false;
  }
  const bool moved = std::exchange(scanned_ahead_, false) || MoveOn();
  totals_.file_bytes += (scanner_->segments_entered() - totals_.segments) * kBlockBytes;
  totals_.segments = scanner_->segments_entered();
  if (moved) {
    TakeScannedBatch();
    return true;
  }
  end_ = scanner_->end();
  if (!skip_error_.ok()) {
    end_.end = LogEnd::kFailed;
    end_.io_error = skip_error_;
  }
  if (!given_files_ || !end_.ToStatus().ok()) return false;
  const std::vector<SegmentFile>& segments = scanner_->segments();
  const auto alien = std::find_if(segments.begin(), segments.end(), IsAlien);
  if (alien != segments.end()) {
    end_.end = LogEnd::kFailed;
    end_.io_error = AlienStatus(*alien);
    end_.file = alien->path;
    end_.offset = 0;
    end_.rule = alien->rule;
  }
  return false;
}

void LogReader::TakeScannedBatch() {
  const ScannedBatch& batch = scanner_->batch();
  const SegmentFile& segment = scanner_->segment();
  if (segment_path_ != segment.path) {
    segment_path_ = segment.path;
    segment_header_ = segment.header;
  }
  if (options_.on_batch) options_.on_batch(segment_path_, segment_header_, batch.header);
  ++totals_.batches;
  totals_.file_bytes += batch.header.length_bytes;
  totals_.padding_bytes +=
      batch.header.length_bytes - kBatchHeaderBytes - batch.header.records_bytes;
  if (batch.last_piece_at == 0) ++totals_.seals;
  records_.Take(batch);
}

void LogReader::EndAtLimit(Lsn lsn, uint64_t offset) {
  end_.end = LogEnd::kLimit;
  end_.lsn = lsn;
  end_.file = segment_path_;
  end_.offset = offset;
}

}  // namespace corewal
