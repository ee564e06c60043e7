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

// The last segment that begins at or before `from`, but none that a scan would have to prove first.
size_t FirstSegmentFor(const std::vector<SegmentFile>& segments, Lsn from) {
  size_t index = AnchorIndex(segments);
  while (index > 0 && segments[index].header.base_lsn > from) --index;
  return index;
}

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
    : scanner_(std::move(scanner)), options_(options) {
  for (const SegmentFile& segment : scanner_->segments()) {
    assembled_bytes_max_ += segment.size_bytes;
  }
}

LogReader::~LogReader() = default;

bool LogReader::NextSlow(RecordView* record) {
  bool got = false;
  while (!got) {
    if (end_.end != LogEnd::kNotYet) return false;
    if (cursor_ < fast_end_) {
      got = Next(record);
    } else if (cursor_ != records_end_) {
      got = TakePiece(record);
    } else if (!LoadBatch()) {
      return false;
    }
  }
  // The first record of each batch comes this way, so the fast path need not look at these.
  if (totals_.records == 1) {
    totals_.first_lsn = record->lsn;
    totals_.first_epoch = record->epoch;
  }
  totals_.last_epoch = record->epoch;
  return true;
}

bool LogReader::LoadBatch() {
  const bool moved = std::exchange(scanned_ahead_, false) || scanner_->Next();
  totals_.file_bytes += (scanner_->segments_entered() - totals_.segments) * kBlockBytes;
  totals_.segments = scanner_->segments_entered();
  if (moved) {
    TakeScannedBatch();
    return true;
  }
  cursor_ = fast_end_ = records_end_ = nullptr;
  end_ = scanner_->end();
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
  batch_header_ = batch.header;
  if (options_.on_batch) options_.on_batch(segment_path_, segment_header_, batch_header_);
  ++totals_.batches;
  totals_.file_bytes += batch.header.length_bytes;
  totals_.padding_bytes +=
      batch.header.length_bytes - kBatchHeaderBytes - batch.header.records_bytes;
  batch_begin_ = batch.bytes.data();
  cursor_ = batch_begin_ + kBatchHeaderBytes;
  records_end_ = cursor_ + batch.header.records_bytes;
  last_piece_ = batch_begin_ + batch.last_piece_at;
  fast_end_ = cursor_;
  if (batch.last_piece_at == 0) {
    ++totals_.seals;
    assembling_ = false;
    return;
  }
  const Piece first = RecordFraming::Decode(LoadLe32(cursor_)).piece;
  if (first == Piece::kMiddle || first == Piece::kLast) return;
  assembling_ = false;  // what a crash cut off is dropped
  LimitWholeRecords();
}

void LogReader::LimitWholeRecords() {
  const auto next = [](const std::byte* at) {
    return at + FramedBytes(RecordFraming::Decode(LoadLe32(at)).length);
  };
  if (cursor_ == records_end_) return;
  const bool last_goes_on = RecordFraming::Decode(LoadLe32(last_piece_)).piece == Piece::kFirst;
  const std::byte* whole_end = last_goes_on ? last_piece_ : records_end_;
  while (cursor_ < whole_end && LsnAt(cursor_) < options_.from) cursor_ = next(cursor_);
  fast_end_ = whole_end;
  if (LsnAt(whole_end) <= options_.to) return;
  fast_end_ = cursor_;
  while (fast_end_ < whole_end && LsnAt(fast_end_) < options_.to) fast_end_ = next(fast_end_);
}

bool LogReader::TakePiece(RecordView* record) {
  const RecordFraming framing = RecordFraming::Decode(LoadLe32(cursor_));
  const char* data = reinterpret_cast<const char*>(cursor_ + kRecordFramingBytes);
  switch (framing.piece) {
    case Piece::kWhole:  // kept out of the fast range: it lies at or behind `to`
      EndAtLimit();
      return false;
    case Piece::kFirst:
      if (LsnAt(cursor_) >= options_.to) {
        EndAtLimit();
        return false;
      }
      assembling_ = LsnAt(cursor_) >= options_.from;
      if (assembling_) {
        const uint64_t whole = LoadLe64(cursor_ + kRecordFramingBytes);
        assembled_lsn_ = LsnAt(cursor_);
        assembled_.clear();
        assembled_.reserve(std::min(whole, assembled_bytes_max_));
        assembled_.append(data + kFirstPieceExtraBytes, framing.length - kFirstPieceExtraBytes);
      }
      cursor_ = fast_end_ = records_end_;
      return false;
    case Piece::kMiddle:
    case Piece::kLast:
      break;
  }
  if (assembling_) assembled_.append(data, framing.length);
  cursor_ += FramedBytes(framing.length);
  fast_end_ = cursor_;
  if (framing.piece == Piece::kMiddle) return false;
  LimitWholeRecords();
  if (!std::exchange(assembling_, false)) return false;
  record->lsn = assembled_lsn_;
  record->type = framing.type;
  record->epoch = batch_header_.epoch;
  record->payload = {reinterpret_cast<const std::byte*>(assembled_.data()), assembled_.size()};
  ++totals_.records;
  totals_.payload_bytes += assembled_.size();
  totals_.last_lsn = record->lsn;
  return true;
}

void LogReader::EndAtLimit() {
  end_.end = LogEnd::kLimit;
  end_.lsn = batch_header_.lsn;
  end_.file = segment_path_;
  end_.offset = batch_header_.lsn - segment_header_.base_lsn;
}

}  // namespace corewal
