#include "wal/log_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/segment_file.h"

namespace corewal {
namespace {

absl::Status Refusal(absl::string_view what) {
  return absl::ResourceExhaustedError(
      absl::StrCat(what, "; nothing was appended; retry after Poll"));
}

absl::Status WithCause(const absl::Status& refusal, const absl::Status& cause) {
  if (cause.ok()) return refusal;
  return absl::ResourceExhaustedError(absl::StrCat(refusal.message(), " (", cause.message(), ")"));
}

}  // namespace

LogWriter::LogWriter(FileSystem& files, StorageIo& io, const Clock& clock,
                     const LogWriterOptions& options, const RecoveredLog& recovered)
    : files_(files),
      io_(io),
      clock_(clock),
      options_(options),
      queue_(io.capabilities().buffers),
      preparer_(files, io,
                {.directory = options.directory,
                 .segment_bytes = options.segment_bytes,
                 .ready_target = options.segments_ready,
                 .direct = options.direct,
                 .tag = MakeTag(kTagPreparer, 0),
                 .room_for_another = [this] { return RoomForSegment(); }},
                recovered.live.empty() ? 1 : recovered.live.back().sequence + 1),
      cursors_(options.uuid, options.shard),
      callbacks_(options.callbacks_max),
      stalled_{
          Refusal(absl::StrCat(options.callbacks_max, " appends wait for their callback")),
          Refusal("the log's seal is being written"),
          Refusal("every buffer is being written"),
          Refusal("the next segment is not ready"),
          Refusal("what is being written and synced is as much as may be"),
      } {
  preparer_.WantReady(options.segments_first);
}

LogWriter::~LogWriter() { Close().IgnoreError(); }

absl::Status LogWriter::CheckUserType(RecordType type) const {
  if (IsUserType(type)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("record type ", static_cast<uint32_t>(type), " is corewal's own; use 0 to 127"));
}

absl::Status LogWriter::CheckAppendable(uint64_t bytes) const {
  if (!failure_.ok()) return failure_;
  if (closed_) return absl::FailedPreconditionError("the log writer is closed");
  if (bytes > kRecordBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a record of ", bytes, " bytes; at most ", kRecordBytesMax, " are allowed"));
  }
  CHECK(!reserving_) << "append between Reserve and Commit";
  if (record_.open()) {
    return absl::FailedPreconditionError(
        absl::StrCat("a record is open, ", record_.got_bytes(), " of its ", record_.whole_bytes(),
                     " bytes appended: end or cancel it first; nothing was appended"));
  }
  return absl::OkStatus();
}

uint32_t LogWriter::reserve_bytes_max() const {
  const uint64_t batch_bytes_max =
      std::min({uint64_t{io_.buffer_bytes()} - kBlockBytes, uint64_t{kBatchBytesMax},
                options_.segment_bytes - 2 * kBlockBytes});
  return static_cast<uint32_t>(std::min<uint64_t>(
      batch_bytes_max - kBatchHeaderBytes - kRecordFramingBytes, RecordFraming::kLengthMax - 3));
}

absl::StatusOr<Lsn> LogWriter::AppendSlow(absl::Span<const std::byte> payload,
                                          const AppendOptions& options) {
  RETURN_IF_ERROR(CheckUserType(options.type));
  return AppendOfAnyType(payload, options);
}

absl::StatusOr<Lsn> LogWriter::AppendOfAnyType(absl::Span<const std::byte> payload,
                                               const AppendOptions& options) {
  RETURN_IF_ERROR(CheckAppendable(payload.size()));
  if (payload.size() > reserve_bytes_max()) return AppendLarge(payload, options);
  if (builder_.Fits(payload.size())) {
    const Lsn lsn = builder_.Append(payload, options.type);
    Want(options.durability);
    return lsn;
  }
  RETURN_IF_ERROR(MakeRoom(payload.size()));
  const Lsn lsn = builder_.Append(payload, options.type);
  Want(options.durability);
  return lsn;
}

absl::StatusOr<Lsn> LogWriter::Append(absl::Span<const std::byte> payload,
                                      const AppendOptions& options, AppendCallback on_done) {
  if (callbacks_.full()) return Stalled(Stall::kCallbacks);
  ASSIGN_OR_RETURN(const Lsn lsn, Append(payload, options));
  callbacks_.Push(lsn, options.durability, std::move(on_done));
  return lsn;
}

absl::StatusOr<Lsn> LogWriter::AppendControl(absl::Span<const std::byte> payload,
                                             const AppendOptions& options, AppendCallback on_done) {
  CHECK(!IsUserType(options.type));
  if (callbacks_.full()) return Stalled(Stall::kCallbacks);
  ASSIGN_OR_RETURN(const Lsn lsn, AppendOfAnyType(payload, options));
  callbacks_.Push(lsn, options.durability, std::move(on_done));
  return lsn;
}

absl::StatusOr<Lsn> LogWriter::AppendBatch(absl::Span<const absl::Span<const std::byte>> payloads,
                                           const AppendOptions& options) {
  if (payloads.empty()) return absl::InvalidArgumentError("a batch of no records");
  uint64_t framed_bytes = 0;
  for (absl::Span<const std::byte> payload : payloads) framed_bytes += FramedBytes(payload.size());
  const uint64_t room_needed = framed_bytes - kRecordFramingBytes;  // as one payload
  RETURN_IF_ERROR(CheckUserType(options.type));
  RETURN_IF_ERROR(CheckAppendable(0));
  if (room_needed > reserve_bytes_max()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a batch of ", framed_bytes, " bytes with framing; at most ", reserve_bytes_max(), " fit"));
  }
  if (!builder_.Fits(room_needed)) RETURN_IF_ERROR(MakeRoom(room_needed));
  Lsn first;
  for (absl::Span<const std::byte> payload : payloads) {
    const Lsn lsn = builder_.Append(payload, options.type);
    if (first == Lsn()) first = lsn;
  }
  Want(options.durability);
  return first;
}

absl::StatusOr<absl::Span<std::byte>> LogWriter::Reserve(uint32_t bytes) {
  RETURN_IF_ERROR(CheckAppendable(bytes));
  if (bytes > reserve_bytes_max()) {
    return absl::InvalidArgumentError(absl::StrCat("a reservation of ", bytes, " bytes; at most ",
                                                   reserve_bytes_max(), " fit a buffer"));
  }
  if (!builder_.Fits(bytes)) RETURN_IF_ERROR(MakeRoom(bytes));
  reserving_ = true;
  reserved_bytes_ = bytes;
  return builder_.Reserve(bytes);
}

Lsn LogWriter::Commit(uint32_t bytes_used, const AppendOptions& options) {
  CHECK(reserving_) << "Commit without Reserve";
  CHECK_LE(bytes_used, reserved_bytes_);
  CHECK(IsUserType(options.type));
  reserving_ = false;
  const Lsn lsn = builder_.CommitReserved(bytes_used, options.type);
  Want(options.durability);
  return lsn;
}

void LogWriter::Cancel() {
  CHECK(reserving_) << "Cancel without Reserve";
  reserving_ = false;
}

absl::Status LogWriter::CheckSegmentsReadyFor(uint64_t payload_bytes) {
  const uint64_t batches = payload_bytes / reserve_bytes_max() + 3;  // and partial ones
  const uint64_t log_bytes = payload_bytes + batches * (kBatchHeaderBytes + kBlockBytes);
  const uint64_t per_segment = options_.segment_bytes - 2 * kBlockBytes - 2 * kBatchHeaderBytes;
  const uint64_t segments = log_bytes / per_segment + 1;
  if (preparer_.ready_count() >= segments) return absl::OkStatus();
  preparer_.WantReady(static_cast<uint32_t>(segments));
  ++stats_.stalls;
  return WithCause(Refusal(absl::StrCat("a record of ", payload_bytes, " bytes needs ", segments,
                                        " segments ready, ", preparer_.ready_count(), " are")),
                   preparer_.stall());
}

absl::Status LogWriter::MakeRoom(uint64_t payload_bytes) {
  if (builder_.open() && !builder_.empty()) {
    if (seal_in_flight_ && !Mutated(Mutation::kSealNotAwaited)) return Stalled(Stall::kSeal);
    CloseBatch();
    if (!failure_.ok()) return failure_;
  }
  builder_.Close(log_end_);
  return OpenBatch(payload_bytes);
}

uint64_t LogWriter::SegmentRoom() const {
  if (active_.empty() || record_.given_up()) return 0;
  const ActiveSegment& segment = active_.back();
  const Lsn position = header_pending_ ? segment.base + kBlockBytes : log_end_;
  const uint64_t used = position - segment.base;
  return options_.segment_bytes - kBlockBytes - used;  // the last block is kept for a seal
}

// Both bounds pass by themselves: what is in flight completes, and then a sync starts, since one is
// wanted for something that is written.
bool LogWriter::DeviceIsBehind() const {
  if (submitted_ - written_ >= options_.write_bytes_max) return true;
  return want_durable_ > durable_ && submitted_ - durable_ >= 2 * options_.sync_bytes_max;
}

absl::Status LogWriter::OpenBatch(uint64_t payload_bytes) {
  if (DeviceIsBehind()) return Stalled(Stall::kDevice);
  if (queue_.full()) return Stalled(Stall::kBuffers);
  absl::StatusOr<BufferLease> buffer = io_.AcquireBuffer();
  if (absl::IsResourceExhausted(buffer.status())) return Stalled(Stall::kBuffers);
  if (!buffer.ok()) return buffer.status();
  if (SegmentRoom() < RoundUpToBlock(kBatchHeaderBytes + FramedBytes(payload_bytes))) {
    RETURN_IF_ERROR(StartSegment());
  }
  const uint32_t skip_bytes = header_pending_ ? kBlockBytes : 0;
  const Lsn begin = header_pending_ ? active_.back().base + kBlockBytes : log_end_;
  const uint64_t bytes_max =
      std::min({uint64_t{buffer->size()} - skip_bytes, uint64_t{kBatchBytesMax}, SegmentRoom()});
  builder_.Start(*std::move(buffer), skip_bytes, begin, static_cast<uint32_t>(bytes_max));
  CHECK(builder_.Fits(payload_bytes)) << DebugString();
  if (options_.sync_delay_us_max > 0) batch_opened_at_ = clock_.Now();
  return absl::OkStatus();
}

absl::Status LogWriter::StartSegment() {
  CHECK(!header_pending_);
  std::optional<SegmentPreparer::Ready> ready = preparer_.Take();
  if (!ready.has_value()) {
    preparer_.Hurry();
    return Stalled(Stall::kSegment);
  }
  CHECK_EQ(ready->sequence, last_sequence_ + 1);
  ActiveSegment segment;
  segment.sequence = ready->sequence;
  segment.previous_sequence = last_sequence_;
  segment.path = std::move(ready->path);
  segment.file = ready->file;
  segment.base = last_base_ + last_segment_bytes_;
  segment.end = segment.base;
  direct_ = ready->direct;
  last_sequence_ = segment.sequence;
  last_base_ = segment.base;
  last_segment_bytes_ = options_.segment_bytes;
  active_.push_back(std::move(segment));
  header_pending_ = true;
  ++stats_.rolls;
  if (record_.given_up()) LeaveRecordGivenUp();
  return failure_;
}

absl::Status LogWriter::Stalled(Stall why) {
  ++stats_.stalls;
  return WithCause(stalled_[static_cast<size_t>(why)], preparer_.stall());
}

void LogWriter::EncodeHeaderOfNewSegment() {
  const ActiveSegment& segment = active_.back();
  SegmentHeader header;
  header.uuid = options_.uuid;
  header.shard = options_.shard;
  header.sequence = segment.sequence;
  header.base_lsn = segment.base;
  header.segment_bytes = options_.segment_bytes;
  header.incarnation = incarnation_;
  header.previous_sequence = segment.previous_sequence;
  header.previous_end = log_end_;
  header.previous_crc = last_crc_;
  header.durable = durable_;
  // Not epoch_: the header may survive a crash without the batch that brings that epoch.
  header.epoch = closed_epoch_;
  header.created_unix_ns = clock_.UnixNs();
  EncodeSegmentHeader(header, builder_.skipped());
}

BatchHeader LogWriter::NextBatchHeader() const {
  BatchHeader header;
  header.durable = Mutated(Mutation::kDurableClaimedEarly) ? submitted_ : durable_;
  header.incarnation = incarnation_;
  header.epoch = epoch_;
  header.previous_crc = last_crc_;
  return header;
}

// A DSYNC write is the fastest way to make one batch durable, and the slowest for many: a flush of
// the device each. So only a batch before which everything is durable is one; what follows while
// that is under way is written plainly, and a datasync covers all of it.
bool LogWriter::NextWriteIsDsync() const {
  return options_.sync_method == SyncMethod::kDsync && queue_.empty() && durable_ == written_;
}

void LogWriter::CloseBatch() {
  CHECK(builder_.open() && !builder_.empty() && !reserving_);
  CHECK(!seal_in_flight_ || Mutated(Mutation::kSealNotAwaited));
  ActiveSegment& segment = active_.back();
  const uint32_t skip_bytes = builder_.skip_bytes();
  if (header_pending_) EncodeHeaderOfNewSegment();
  BatchBuilder::Finished batch = builder_.Finish(NextBatchHeader());
  closed_epoch_ = epoch_;
  CHECK_GE(batch.begin, submitted_) << DebugString();  // I3
  const bool dsync = NextWriteIsDsync();
  const uint32_t index = queue_.Push(batch.begin, batch.end, batch.safe_end, dsync);
  const absl::Status staged =
      io_.Write({.file = segment.file,
                 .offset = FileOffset(batch.begin - segment.base - skip_bytes),
                 .length = batch.bytes,
                 .mode = dsync ? WriteMode::kDsync : WriteMode::kPlain,
                 .tag = MakeTag(kTagBatch, index)},
                std::move(batch.buffer))
          .status();
  if (!staged.ok()) return Fail(staged);
  if (SyncsBeforeCqe()) TakeForWritten(index);
  if (header_pending_) {
    live_.push_back(
        {segment.path, segment.base, options_.segment_bytes, options_.segment_bytes, true});
    live_bytes_ += options_.segment_bytes;
    header_pending_ = false;
  }
  segment.end = batch.end;
  segment.safe_end = batch.safe_end;
  submitted_ = batch.end;
  log_end_ = batch.end;
  last_crc_ = batch.crc;
  sealed_ = false;
  ++stats_.batches;
  if (dsync) ++stats_.syncs;
  stats_.batch_bytes += batch.bytes;
  stats_.padding_bytes += batch.padding_bytes;
  stats_.records += batch.records;
  stats_.payload_bytes += batch.payload_bytes;
}

void LogWriter::Fail(absl::Status why) {
  if (!failure_.ok()) return;
  failure_ = std::move(why);
  builder_.Close(std::max(builder_.end(), submitted_));  // nothing fits any more
  record_.Fail();
  reserving_ = false;
  ++progress_;
}

const LogWriter::ActiveSegment& LogWriter::SegmentOf(Lsn lsn) const {
  CHECK(!active_.empty());
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    if (it->base <= lsn) return *it;
  }
  return active_.front();
}

std::string LogWriter::DebugString() const {
  return absl::StrCat("shard ", ToIndex(options_.shard), " appended ", appended().value(),
                      " submitted ", submitted_.value(), " written ", written_.value(), " durable ",
                      durable_.value(), " (published ", published_durable_.value(), ") in flight ",
                      queue_.size(), " batches, ", sync_.outstanding, " syncs, segments active ",
                      active_.size(), " ready ", preparer_.ready_count(),
                      failure_.ok() ? "" : " FAILED");
}

void LogWriter::CheckInvariants() const {
  CHECK_LE(durable_, written_) << DebugString();
  CHECK_LE(written_, submitted_) << DebugString();
  CHECK_LE(submitted_, appended()) << DebugString();
  CHECK_LE(published_durable_, durable_) << DebugString();
  CHECK_LE(written_safe_, written_) << DebugString();
  if (builder_.piece_open()) CHECK(record_.open() && builder_.empty()) << DebugString();  // I7
  if (record_.given_up()) CHECK(!header_pending_ && builder_.empty()) << DebugString();
  if (sync_.outstanding > 0) {
    CHECK_LE(sync_.promise, written_) << DebugString();
    CHECK_GT(sync_.promise, durable_) << DebugString();
  }
  uint64_t live_bytes = 0;
  for (const LiveSegment& segment : live_) live_bytes += segment.file_bytes;
  CHECK_EQ(live_bytes, live_bytes_) << DebugString();
  CHECK_GE(cursors_.Floor(), truncated_to_) << DebugString();  // I6
  if (!queue_.empty()) {
    CHECK_GE(queue_.front().begin, written_) << DebugString();
    CHECK_EQ(queue_.back().end, submitted_) << DebugString();
  }
}

}  // namespace corewal
