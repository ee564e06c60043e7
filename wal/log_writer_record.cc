// The part of LogWriter that takes a record in parts: what is given is framed at once, in pieces
// that fill their batches, so that no more than the buffers is ever held of it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/log_writer.h"

namespace corewal {

absl::Status LogWriter::BeginRecord(uint64_t bytes, const AppendOptions& options) {
  RETURN_IF_ERROR(CheckUserType(options.type));
  RETURN_IF_ERROR(CheckAppendable(bytes));
  return OpenRecord(bytes, options);
}

// The record has its first batch to itself up to there, so that nothing that was appended before it
// waits for its parts.
absl::Status LogWriter::OpenRecord(uint64_t bytes, const AppendOptions& options) {
  const bool one_batch = bytes <= reserve_bytes_max();
  RETURN_IF_ERROR(MakeRoom(one_batch ? bytes : kPieceBytesMin));
  record_.Begin(builder_.end(), options.type, options.durability, bytes);
  builder_.StartPiece(builder_.Fits(bytes) ? 0 : kFirstPieceExtraBytes);
  return absl::OkStatus();
}

absl::Status LogWriter::CheckRecordOpen() const {
  if (!failure_.ok()) return failure_;
  if (closed_) return absl::FailedPreconditionError("the log writer is closed");
  if (!record_.open()) return absl::FailedPreconditionError("no record is open");
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> LogWriter::AppendPart(absl::Span<const std::byte> part) {
  RETURN_IF_ERROR(CheckRecordOpen());
  if (part.size() > record_.missing_bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a part of ", part.size(), " bytes; ", record_.missing_bytes(), " of the record's ",
        record_.whole_bytes(), " are missing; nothing was appended"));
  }
  uint64_t taken = 0;
  while (taken < part.size()) {
    const absl::Status room = MakeRoomForPart();
    if (!failure_.ok()) return failure_;  // a full disk's looks like a refusal
    if (absl::IsResourceExhausted(room) && taken > 0) return taken;
    RETURN_IF_ERROR(room);
    const uint64_t bytes = std::min<uint64_t>(part.size() - taken, builder_.piece_room());
    builder_.FillPiece(part.subspan(taken, bytes));
    record_.Got(bytes);
    taken += bytes;
  }
  // A full piece goes out at once, unless it ends the record: that is for EndRecord to say.
  if (builder_.piece_open() && builder_.piece_room() == 0 && record_.missing_bytes() > 0) {
    SubmitPiece().IgnoreError();  // a refusal: later
    if (!failure_.ok()) return failure_;
  }
  return taken;
}

absl::Status LogWriter::MakeRoomForPart() {
  if (builder_.piece_open()) {
    if (builder_.piece_room() > 0) return absl::OkStatus();
    RETURN_IF_ERROR(SubmitPiece());
  }
  RETURN_IF_ERROR(OpenBatch(kPieceBytesMin));
  builder_.StartPiece(0);
  return absl::OkStatus();
}

absl::Status LogWriter::SubmitPiece() {
  if (seal_in_flight_ && !Mutated(Mutation::kSealNotAwaited)) return Stalled(Stall::kSeal);
  builder_.FinishPiece(record_.NextPiece(/*ends=*/false), record_.type(), record_.whole_bytes(),
                       record_.lsn());
  record_.PieceSubmitted();
  CloseBatch();
  return failure_;
}

absl::StatusOr<Lsn> LogWriter::EndRecord() {
  RETURN_IF_ERROR(CheckRecordOpen());
  if (record_.missing_bytes() > 0) {
    return absl::FailedPreconditionError(absl::StrCat(record_.missing_bytes(), " of the record's ",
                                                      record_.whole_bytes(),
                                                      " bytes are missing; it is still open"));
  }
  const Lsn lsn = record_.lsn();
  builder_.FinishPiece(record_.NextPiece(/*ends=*/true), record_.type(), record_.whole_bytes(),
                       lsn);
  record_.End();
  Want(record_.durability());
  return lsn;
}

absl::StatusOr<Lsn> LogWriter::EndRecord(AppendCallback on_done) {
  RETURN_IF_ERROR(CheckRecordOpen());
  if (callbacks_.full()) return Stalled(Stall::kCallbacks);
  const Durability durability = record_.durability();
  ASSIGN_OR_RETURN(const Lsn lsn, EndRecord());
  callbacks_.Push(lsn, durability, std::move(on_done));
  return lsn;
}

void LogWriter::CancelRecord() {
  if (!record_.open()) return;
  builder_.Close(log_end_);
  // An idle log that could not be sealed behind an open record may be now.
  sealed_ = active_.empty();
  record_.Cancel();
  // A segment that has not started yet is where the next incarnation can begin.
  if (record_.given_up() && header_pending_) LeaveRecordGivenUp();
}

// What a record that was given up has left in the log is, for readers, what a crash leaves: nothing
// of the same incarnation may follow it (FORMAT.md, "Pieces and records").
void LogWriter::LeaveRecordGivenUp() {
  record_.Left();
  if (Mutated(Mutation::kGivenUpRecordFollowed)) return;
  incarnation_ = IncarnationAfter(incarnation_);
  if (incarnation_.count() == 0) Fail(NumbersUsedUp(options_.directory));
}

// Taken as a whole: what could stop it halfway is checked before the first piece. There must be
// segments for all of it; for buffers it waits.
absl::StatusOr<Lsn> LogWriter::AppendLarge(absl::Span<const std::byte> payload,
                                           const AppendOptions& options) {
  RETURN_IF_ERROR(CheckSegmentsReadyFor(payload.size()));
  RETURN_IF_ERROR(OpenRecord(payload.size(), options));
  absl::Span<const std::byte> rest = payload;
  while (!rest.empty()) {
    const absl::StatusOr<uint64_t> taken = AppendPart(rest);
    if (taken.ok()) {
      rest.remove_prefix(*taken);
      continue;
    }
    if (!failure_.ok()) return failure_;
    if (!absl::IsResourceExhausted(taken.status())) {
      CancelRecord();
      return taken.status();
    }
    FailUnlessTransient(io_.Wait(1, clock_.Now() + SegmentPreparer::kRetryNs));
    Advance();
  }
  return EndRecord();
}

}  // namespace corewal
