// How much of the log is kept: truncation, the cursors that hold it back, and the limit of its
// size.
#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/log_writer.h"
#include "wal/segment_file.h"

namespace corewal {

absl::Status LogWriter::CheckRetention(absl::string_view what, Lsn lsn) const {
  if (!failure_.ok()) return failure_;
  if (closed_) return absl::FailedPreconditionError("the log writer is closed");
  RETURN_IF_ERROR(cursors_failure_);
  if (lsn > published_durable_) {
    return absl::FailedPreconditionError(absl::StrCat(std::string(what), " lsn ", lsn.value(),
                                                      ": the log is durable to ",
                                                      published_durable_.value()));
  }
  return absl::OkStatus();
}

absl::Status LogWriter::TruncateBefore(Lsn lsn) {
  RETURN_IF_ERROR(CheckRetention("truncate before", lsn));
  if (cursors_.Floor() < lsn) RETURN_IF_ERROR(InvalidateLaggards(lsn));
  lsn = std::min(lsn, cursors_.Floor());
  // Oldest first, each removal durable before the next, so that no crash leaves a gap.
  const size_t behind = Mutated(Mutation::kTruncatedTooFar) ? 0 : 1;
  while (live_.size() > 1 && live_[behind].base <= lsn &&
         (active_.empty() || active_.front().base > live_[0].base)) {
    LiveSegment& oldest = live_.front();
    // From here on nobody may rely on it: an error may leave its name removed and not synced.
    truncated_to_ = live_[1].base;
    const bool reusable = oldest.whole_file && oldest.segment_bytes == options_.segment_bytes;
    // Those that wait to be reused are older than this one, and go before it.
    RETURN_IF_ERROR(preparer_.RemoveRecycled(reusable ? options_.segments_ready - 1 : 0));
    if (reusable) {
      preparer_.Recycle(std::move(oldest.path));
    } else {
      RETURN_IF_ERROR(preparer_.SettleNames());
      RETURN_IF_ERROR(RemoveSegmentFile(files_, options_.directory, oldest.path));
    }
    live_bytes_ -= oldest.file_bytes;
    live_.pop_front();
  }
  preparer_.RetryNow();
  return absl::OkStatus();
}

// Only those that stand in the way of what is asked for now, and that have fallen too far behind.
absl::Status LogWriter::InvalidateLaggards(Lsn lsn) {
  const uint64_t lag_max = options_.cursor_lag_bytes_max;
  if (lag_max == 0 || published_durable_.value() <= lag_max) return absl::OkStatus();
  CursorSet next = cursors_;
  if (next.InvalidateBelow(std::min(lsn, Lsn(published_durable_.value() - lag_max))) == 0) {
    return absl::OkStatus();
  }
  return StoreCursors(std::move(next));
}

absl::Status LogWriter::SetCursor(absl::string_view name, Lsn lsn) {
  RETURN_IF_ERROR(CheckRetention(absl::StrCat("cursor ", std::string(name), " at"), lsn));
  if (lsn < oldest()) {
    return absl::OutOfRangeError(absl::StrCat("cursor ", std::string(name), " at lsn ", lsn.value(),
                                              ": the log begins at lsn ", oldest().value()));
  }
  CursorSet next = cursors_;
  RETURN_IF_ERROR(next.Set(name, lsn));
  return StoreCursors(std::move(next));
}

absl::Status LogWriter::RemoveCursor(absl::string_view name) {
  RETURN_IF_ERROR(CheckRetention("remove cursor", Lsn()));
  CursorSet next = cursors_;
  if (!next.Remove(name)) {
    return absl::NotFoundError(absl::StrCat("no cursor ", std::string(name)));
  }
  return StoreCursors(std::move(next));
}

// The state in memory never runs ahead of the one on disk, so truncation never does.
absl::Status LogWriter::StoreCursors(CursorSet next) {
  if (in_callback_) {
    return absl::FailedPreconditionError("cursors may not be changed from a callback");
  }
  const std::string path = absl::StrCat(options_.directory, "/", kCursorFileName);
  next.NextGeneration();
  if (!cursor_file_there_) {
    absl::Status stored = files_.WriteSmallFile(path, next.EncodeFile());
    // Without space there is no file. After another error it may be there, with the cursor in it.
    if (absl::IsResourceExhausted(stored)) return stored;
    if (!stored.ok()) return cursors_failure_ = std::move(stored);
    cursor_file_there_ = true;
  } else {
    absl::Status stored = WriteCursorSlot(path, next);
    // What the device holds now is not known, and a second sync may lie: no change until reopened.
    if (!stored.ok()) return cursors_failure_ = std::move(stored);
  }
  cursors_ = std::move(next);
  return absl::OkStatus();
}

absl::Status LogWriter::WriteCursorSlot(const std::string& path, const CursorSet& next) {
  ASSIGN_OR_RETURN(OpenFile opened, OpenSegmentFile(files_, path, OpenOptions::Access::kReadWrite,
                                                    DirectMode::kOff));
  ASSIGN_OR_RETURN(const FileHandle file, io_.RegisterFile(opened));
  absl::Status written = OverwriteSlot(file, path, next);
  written.Update(io_.UnregisterFile(file));
  return written;
}

absl::Status LogWriter::OverwriteSlot(FileHandle file, const std::string& path,
                                      const CursorSet& next) {
  absl::StatusOr<BufferLease> buffer = io_.AcquireBuffer();
  while (absl::IsResourceExhausted(buffer.status()) && io_.in_flight() > 0) {
    RETURN_IF_ERROR(WaitAndReap());
    buffer = io_.AcquireBuffer();
  }
  RETURN_IF_ERROR(buffer.status());
  const std::string slot = next.EncodeSlot();
  std::memcpy(buffer->data(), slot.data(), slot.size());
  const uint64_t offset = uint64_t{next.slot()} * kBlockBytes;
  RETURN_IF_ERROR(io_.Write({.file = file,
                             .offset = FileOffset(offset),
                             .length = kBlockBytes,
                             .tag = kTagCursors},
                            *std::move(buffer))
                      .status());
  RETURN_IF_ERROR(WaitForCursors("write", path, offset));
  RETURN_IF_ERROR(io_.Sync({.file = file, .tag = kTagCursors}).status());
  return WaitForCursors("fdatasync", path, offset);
}

absl::Status LogWriter::WaitForCursors(const char* call, const std::string& path, uint64_t offset) {
  cursors_waiting_ = true;
  while (cursors_waiting_) RETURN_IF_ERROR(WaitAndReap());
  if (cursors_errno_ == 0) return absl::OkStatus();
  return ErrnoStatus(cursors_errno_, call, path, {.offset = offset, .length = kBlockBytes});
}

absl::Status LogWriter::WaitAndReap() {
  const absl::Status waited = io_.Wait(1, kNever);
  if (!waited.ok() && !absl::IsUnavailable(waited)) return waited;
  Reap();
  return absl::OkStatus();
}

uint64_t LogWriter::log_bytes() const {
  const uint64_t begun = header_pending_ ? options_.segment_bytes : 0;
  return live_bytes_ + begun + preparer_.files() * options_.segment_bytes;
}

absl::Status LogWriter::RoomForSegment() const {
  if (options_.log_bytes_max == 0) return absl::OkStatus();
  const uint64_t used = log_bytes();
  if (used + options_.segment_bytes <= options_.log_bytes_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the shard's files take ", used, " bytes, and one more of ",
                   options_.segment_bytes, " would exceed log_bytes_max, ", options_.log_bytes_max,
                   "; truncate what is no longer needed"));
}

}  // namespace corewal
