#include "wal/batch_records.h"

#include <algorithm>
#include <utility>

namespace corewal {

void BatchRecords::Take(const ScannedBatch& batch) {
  header_ = batch.header;
  batch_begin_ = batch.bytes.data();
  cursor_ = batch_begin_ + kBatchHeaderBytes;
  records_end_ = cursor_ + header_.records_bytes;
  last_piece_ = batch_begin_ + batch.last_piece_at;
  fast_end_ = cursor_;
  if (batch.last_piece_at == 0) {  // a seal
    assembling_ = false;
    return;
  }
  const Piece first = RecordFraming::Decode(LoadLe32(cursor_)).piece;
  if (first == Piece::kMiddle || first == Piece::kLast) return;
  assembling_ = false;  // what a crash cut off is dropped
  LimitWholeRecords();
}

void BatchRecords::LimitWholeRecords() {
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

BatchRecords::Step BatchRecords::Next(RecordView* record) {
  for (;;) {
    if (NextWhole(record)) return Step::kRecord;
    if (cursor_ < fast_end_) {  // one of corewal's own that is not wanted
      cursor_ += FramedBytes(RecordFraming::Decode(LoadLe32(cursor_)).length);
      continue;
    }
    if (cursor_ == records_end_) return Step::kBatchDone;
    bool got = false;
    const Step step = TakePiece(record, &got);
    if (got || step == Step::kLimit) return step;
  }
}

void BatchRecords::HandOut(const RecordFraming& framing, absl::Span<const std::byte> payload,
                           uint64_t part_offset, RecordView* record) const {
  record->lsn = open_lsn_;
  record->type = framing.type;
  record->epoch = header_.epoch;
  record->payload = payload;
  record->part_offset = part_offset;
  record->whole_bytes = whole_bytes_;
}

BatchRecords::Step BatchRecords::BeginRecord(const RecordFraming& framing, RecordView* record,
                                             bool* got) {
  const Lsn lsn = LsnAt(cursor_);
  if (lsn >= options_.to) return Step::kLimit;
  const std::byte* data = cursor_ + kRecordFramingBytes + kFirstPieceExtraBytes;
  const uint32_t bytes = framing.length - kFirstPieceExtraBytes;
  const uint64_t whole = LoadLe64(cursor_ + kRecordFramingBytes);
  cursor_ = fast_end_ = records_end_;
  assembling_ = lsn >= options_.from && Wanted(framing.type);
  if (!assembling_) return Step::kRecord;
  open_lsn_ = lsn;
  whole_bytes_ = whole;
  got_bytes_ = bytes;
  if (options_.pieces) {
    HandOut(framing, {data, bytes}, 0, record);
    *got = true;
    return Step::kRecord;
  }
  assembled_.clear();
  assembled_.reserve(std::min(whole, options_.bytes_max));
  assembled_.append(reinterpret_cast<const char*>(data), bytes);
  return Step::kRecord;
}

BatchRecords::Step BatchRecords::TakePiece(RecordView* record, bool* got) {
  const RecordFraming framing = RecordFraming::Decode(LoadLe32(cursor_));
  if (framing.piece == Piece::kWhole) return Step::kLimit;  // it lies at or behind `to`
  if (framing.piece == Piece::kFirst) return BeginRecord(framing, record, got);
  const std::byte* data = cursor_ + kRecordFramingBytes;
  cursor_ += FramedBytes(framing.length);
  fast_end_ = cursor_;
  const bool last = framing.piece == Piece::kLast;
  if (last) LimitWholeRecords();
  if (!assembling_) return Step::kRecord;
  if (last) assembling_ = false;
  if (options_.pieces) {
    HandOut(framing, {data, framing.length}, std::exchange(got_bytes_, got_bytes_ + framing.length),
            record);
    *got = true;
    return Step::kRecord;
  }
  assembled_.append(reinterpret_cast<const char*>(data), framing.length);
  if (!last) return Step::kRecord;
  HandOut(framing, {reinterpret_cast<const std::byte*>(assembled_.data()), assembled_.size()}, 0,
          record);
  *got = true;
  return Step::kRecord;
}

}  // namespace corewal
