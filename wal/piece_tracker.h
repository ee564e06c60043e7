// wal/piece_tracker.h: the order of a record's pieces over batches (FORMAT.md, "Records in
// pieces").
//
//   kNone --kFirst--> kOpen --kMiddle--> kOpen --kLast--> kNone
//
// Inside one batch the codec has checked the order already (B9).
#ifndef COREWAL_WAL_PIECE_TRACKER_H_
#define COREWAL_WAL_PIECE_TRACKER_H_

#include <cstdint>

#include "wal/batch_scanner.h"
#include "wal/format.h"
#include "wal/little_endian.h"

namespace corewal {

class PieceTracker {
 public:
  // The scan starts in the middle of a log: the first batch may go on with a record.
  void StartAnywhere() { state_ = State::kUnknown; }
  // Nothing is left open: the start of a log, or of an opening (a crash may have cut a record off).
  void StartClean() { state_ = State::kNone; }

  // False: the batch's pieces do not go on as the batches before it left off.
  bool Accept(const ScannedBatch& batch) {
    if (batch.last_piece_at == 0) return AcceptSeal();
    const RecordFraming first = FramingAt(batch, kBatchHeaderBytes);
    if (!AcceptFirst(first)) return false;
    const RecordFraming last = FramingAt(batch, batch.last_piece_at);
    if (last.piece != Piece::kFirst) return true;
    state_ = State::kOpen;
    type_ = last.type;
    got_ = last.length - kFirstPieceExtraBytes;
    whole_ = LoadLe64(batch.bytes.data() + batch.last_piece_at + kRecordFramingBytes);
    return true;
  }

 private:
  enum class State : uint8_t { kNone, kOpen, kUnknown };

  static RecordFraming FramingAt(const ScannedBatch& batch, uint32_t at) {
    return RecordFraming::Decode(LoadLe32(batch.bytes.data() + at));
  }
  bool AcceptSeal() {
    if (state_ == State::kOpen) return false;
    state_ = State::kNone;
    return true;
  }
  bool AcceptFirst(const RecordFraming& first) {
    if (first.piece == Piece::kWhole || first.piece == Piece::kFirst) return AcceptSeal();
    if (state_ == State::kNone) return false;
    const bool last = first.piece == Piece::kLast;
    if (state_ == State::kUnknown) {
      if (last) state_ = State::kNone;
      return true;
    }
    if (first.type != type_) return false;
    got_ += first.length;
    if (last) state_ = State::kNone;
    return last ? got_ == whole_ : got_ < whole_;
  }

  State state_ = State::kNone;
  RecordType type_{};
  uint64_t whole_ = 0;
  uint64_t got_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_PIECE_TRACKER_H_
