// How a LogWriter takes over what recovery found, and how it leaves the log behind.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutation.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "wal/log_writer.h"
#include "wal/segment_file.h"

namespace corewal {
namespace {

absl::Status CheckOptions(const LogWriterOptions& options, const StorageIo& io) {
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax ||
      options.segment_bytes % kBlockBytes != 0) {
    return absl::InvalidArgumentError(absl::StrCat("segment_bytes ", options.segment_bytes,
                                                   ": want a multiple of ", kBlockBytes, " from ",
                                                   kSegmentBytesMin, " to ", kSegmentBytesMax));
  }
  if (options.segments_ready < 1 || options.segments_ready > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("segments_ready ", options.segments_ready, ": want 1 to 64"));
  }
  if (options.segments_first > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("segments_first ", options.segments_first, ": want at most 1024"));
  }
  if (io.buffer_bytes() < 4 * kBlockBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("buffers of ", io.buffer_bytes(), " bytes: want at least ", 4 * kBlockBytes));
  }
  // One for the open batch, one for zeros, and one in flight at least; an operation slot for each
  // buffer, and for syncs of two segments and of a directory beside them.
  if (io.capabilities().buffers < 3 || io.queue_depth() < io.capabilities().buffers + 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(io.capabilities().buffers, " buffers with queue depth ", io.queue_depth(),
                     ": want at least 3, and a queue depth 4 above them"));
  }
  if (options.log_bytes_max != 0 && options.log_bytes_max < 2 * options.segment_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("log_bytes_max ", options.log_bytes_max,
                     ": want at least two segments, or 0 for no limit"));
  }
  if (options.sync_method == SyncMethod::kAuto) {
    return absl::InvalidArgumentError("sync_method auto: probe first (ProbeSyncMethod)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogWriter>> LogWriter::Open(FileSystem& files, StorageIo& io,
                                                           const Clock& clock,
                                                           const LogWriterOptions& options,
                                                           const RecoveredLog& recovered) {
  RETURN_IF_ERROR(CheckOptions(options, io));
  std::unique_ptr<LogWriter> writer(new LogWriter(files, io, clock, options, recovered));
  RETURN_IF_ERROR(writer->preparer_.Open());
  RETURN_IF_ERROR(writer->AdoptCursors());
  RETURN_IF_ERROR(writer->AdoptRecovered(recovered));
  // The first segment is prepared here rather than under the first append. A full disk is no reason
  // not to open: appends will be refused until there is space.
  writer->preparer_.Step(clock.Now());
  while (writer->preparer_.ready_count() == 0 && writer->preparer_.stall().ok()) {
    RETURN_IF_ERROR(io.Wait(1, kNever));
    writer->Reap();
    writer->preparer_.Step(clock.Now());
  }
  return writer;
}

Incarnation LogWriter::IncarnationAfter(Incarnation last) const {
  const uint32_t random = options_.incarnation_random.has_value()
                              ? *options_.incarnation_random
                              : static_cast<uint32_t>(RandomUint64());
  return {(uint64_t{last.count()} + 1) << 32 | random};
}

absl::Status LogWriter::NumbersUsedUp(const std::string& path) const {
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": the log's numbers are used up: sequence ", last_sequence_, ", lsn ",
                   log_end_.value(), ", incarnation ", incarnation_.count()));
}

// A damaged file of cursors does not keep the log from being opened, but nothing is truncated: what
// the cursors held back is not known.
absl::Status LogWriter::AdoptCursors() {
  absl::StatusOr<CursorSet> cursors =
      CursorSet::Read(files_, options_.directory, options_.uuid, options_.shard);
  if (absl::IsDataLoss(cursors.status())) {
    cursors_failure_ = cursors.status();
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(cursors.status());
  cursors_ = *std::move(cursors);
  cursor_file_there_ = cursors_.generation() > 0;
  if (!cursor_file_there_) return absl::OkStatus();
  // Truncation will go by what was found, but a process that died may not have synced it.
  RETURN_IF_ERROR(files_.Resize(absl::StrCat(options_.directory, "/", kCursorFileName),
                                2 * uint64_t{kBlockBytes}));
  return files_.SyncDirectory(options_.directory);
}

absl::Status LogWriter::AdoptRecovered(const RecoveredLog& recovered) {
  incarnation_ = IncarnationAfter(recovered.last_incarnation);
  epoch_ = closed_epoch_ = recovered.last_epoch;
  log_end_ = recovered.end.lsn;
  last_crc_ = recovered.end.last_crc;
  submitted_ = written_ = written_safe_ = durable_ = published_durable_ = log_end_;
  want_durable_ = want_written_ = idle_checked_ = log_end_;
  builder_.Close(log_end_);
  for (const SegmentFile& segment : recovered.live) {
    live_.push_back({segment.path, segment.header.base_lsn, segment.header.segment_bytes,
                     segment.size_bytes, segment.size_bytes == segment.header.segment_bytes});
    last_sequence_ = segment.sequence;
    last_base_ = segment.header.base_lsn;
    last_segment_bytes_ = segment.header.segment_bytes;
    live_bytes_ += segment.size_bytes;
  }
  // Headers of a log that was written, not forged, never get there.
  constexpr uint64_t kNumbersMax = uint64_t{1} << 63;
  if (last_base_.value() + last_segment_bytes_ > kNumbersMax || last_sequence_ > kNumbersMax ||
      incarnation_.count() == 0) {
    return NumbersUsedUp(recovered.live.empty() ? options_.directory : recovered.live.back().path);
  }
  RETURN_IF_ERROR(MakeTailDurable(recovered));
  if (Mutated(Mutation::kTornTailAppendedTo)) RETURN_IF_ERROR(GoOnBehindTornTail(recovered));

  // What lies beyond the tail was never acknowledged. Prepared files are taken over; the rest goes,
  // highest first, before anything new is written, so that it can never come back to life.
  // Behind damage a file without a valid header may still hold batches that prove it; while nothing
  // new is written, they would again.
  const bool cut_at_damage = recovered.end.end == LogEnd::kDamaged;
  std::vector<const SegmentFile*> doomed;
  for (const SegmentFile& spare : recovered.spare) {
    const bool known = spare.rule == FormatRule::kOk || !cut_at_damage;
    const bool fits =
        known && !spare.started() && spare.size_bytes == options_.segment_bytes &&
        spare.sequence == last_sequence_ + 1 + preparer_.ready_count() &&
        preparer_.ready_count() < std::max(options_.segments_ready, options_.segments_first);
    if (fits) {
      RETURN_IF_ERROR(preparer_.Adopt(spare));
    } else {
      doomed.push_back(&spare);
    }
  }
  for (auto it = doomed.rbegin(); it != doomed.rend(); ++it) {
    const absl::Status removed = files_.Remove((*it)->path);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;  // an opening that failed
  }
  // A process that died may have left names that are not durable, those taken over among them.
  if (recovered.live.empty() && recovered.spare.empty()) return absl::OkStatus();
  return files_.SyncDirectory(options_.directory);
}

// A recovered record is handed out as durable, but a crash of the process alone may have left it
// unsynced. Syncs every segment that can hold such bytes, and gives back the tail's unused space.
absl::Status LogWriter::MakeTailDurable(const RecoveredLog& recovered) {
  if (recovered.live.empty()) return absl::OkStatus();
  if (Mutated(Mutation::kRecoveredTailNotSynced)) return absl::OkStatus();
  const SegmentFile& last = recovered.live.back();
  for (auto it = recovered.live.rbegin(); it != recovered.live.rend(); ++it) {
    const SegmentHeader& header = it->header;
    if (header.base_lsn + header.segment_bytes <= last.header.durable) break;
    uint64_t keep_bytes = it->size_bytes;
    if (&*it == &last) {
      const uint64_t used = recovered.end.lsn - header.base_lsn;
      keep_bytes = std::min(keep_bytes, used + RoundUpToBlock(recovered.end.torn_bytes));
    }
    RETURN_IF_ERROR(files_.Resize(it->path, keep_bytes));
    if (&*it == &last) {
      live_bytes_ -= live_.back().file_bytes - keep_bytes;
      live_.back().file_bytes = keep_bytes;
    }
  }
  if (last.size_bytes != last.header.segment_bytes) return absl::OkStatus();
  live_.back().whole_file = false;
  return absl::OkStatus();
}

#ifdef COREWAL_MUTATIONS
absl::Status LogWriter::GoOnBehindTornTail(const RecoveredLog& recovered) {
  if (recovered.live.empty() || recovered.end.torn_bytes == 0) return absl::OkStatus();
  const SegmentFile& last = recovered.live.back();
  const Lsn behind = log_end_ + RoundUpToBlock(recovered.end.torn_bytes);
  const uint64_t room_needed = 16 * kBlockBytes;
  if (last.header.segment_bytes != options_.segment_bytes) return absl::OkStatus();
  if (behind + room_needed > last.header.base_lsn + options_.segment_bytes) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      OpenFile file,
      OpenSegmentFile(files_, last.path, OpenOptions::Access::kReadWrite, options_.direct));
  ActiveSegment segment;
  segment.sequence = last.sequence;
  segment.previous_sequence = last.header.previous_sequence;
  segment.path = last.path;
  segment.base = last.header.base_lsn;
  segment.end = segment.safe_end = behind;
  ASSIGN_OR_RETURN(segment.file, io_.RegisterFile(file));
  active_.push_back(std::move(segment));
  incarnation_ = last.header.incarnation;
  log_end_ = submitted_ = written_ = written_safe_ = durable_ = published_durable_ = behind;
  want_durable_ = want_written_ = idle_checked_ = behind;
  builder_.Close(behind);
  return absl::OkStatus();
}
#endif

absl::Status LogWriter::Close() {
  if (closed_) return failure_;
  CancelRecord();
  closed_ = true;  // no batch is opened any more; callbacks may still fill one that is open
  reserving_ = false;
  do {
    WaitDurable().IgnoreError();
  } while (failure_.ok() && builder_.open());
  while (failure_.ok() && seal_in_flight_) Wait(kNever).IgnoreError();
  const bool started = !active_.empty() && !header_pending_;
  const bool sealed = started && !record_.given_up();  // else a crash's end, and read as that
  if (failure_.ok() && sealed) StageSeal();  // also after an idle seal: the same bytes again
  absl::Status first = DrainInFlight();
  if (!first.ok()) Fail(first);
  RunCallbacks();
  if (io_.in_flight() > 0) return failure_;  // a broken ring keeps its files and buffers
  // An opening that appended nothing leaves nothing behind.
  first.Update(preparer_.Close(/*keep_ready=*/stats_.batches > 0));
  for (const ActiveSegment& segment : active_) first.Update(io_.UnregisterFile(segment.file));
  if (header_pending_ && stats_.batches == 0) first.Update(files_.Remove(active_.back().path));
  if (failure_.ok() && started) {
    const uint64_t used_bytes = log_end_ - active_.back().base + (sealed ? kBlockBytes : 0);
    first.Update(files_.Resize(active_.back().path, used_bytes));
  }
  active_.clear();
  if (failure_.ok()) failure_ = first;
  return failure_;
}

}  // namespace corewal
