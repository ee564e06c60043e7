#include "wal/batch_builder.h"

namespace corewal {

void BatchBuilder::StartPiece(uint32_t extra_bytes) {
  CHECK(open() && !piece_open());
  CHECK(Fits(extra_bytes));
  piece_extra_bytes_ = extra_bytes;
  piece_end_ = cursor_ + kRecordFramingBytes + extra_bytes;
  piece_limit_ = limit_;
  limit_ = cursor_;  // nothing else fits
}

void BatchBuilder::FinishPiece(Piece piece, RecordType type, uint64_t whole_bytes, Lsn record_lsn) {
  CHECK(piece_open());
  const bool first = piece == Piece::kFirst;
  CHECK_EQ(first ? kFirstPieceExtraBytes : 0, piece_extra_bytes_);
  limit_ = piece_limit_;
  piece_limit_ = 0;
  const uint32_t length = piece_end_ - cursor_ - kRecordFramingBytes;
  piece_end_ = 0;
  std::byte* const to = BeginPiece(length, piece, type);
  if (first) std::memcpy(to, &whole_bytes, sizeof(whole_bytes));  // little endian; see format.cc
  const Lsn lsn = EndPiece(length);
  CHECK(lsn == record_lsn || piece == Piece::kMiddle || piece == Piece::kLast);
  payload_bytes_ -= piece_extra_bytes_;
  if (piece == Piece::kMiddle || piece == Piece::kLast) ++continued_pieces_;
  if (first || piece == Piece::kMiddle) broken_record_ = record_lsn;
}

BatchBuilder::Finished BatchBuilder::Finish(BatchHeader header) {
  CHECK(open() && !piece_open());
  const uint32_t used = cursor_ - begin_;
  const uint32_t length = static_cast<uint32_t>(RoundUpToBlock(used));
  std::memset(data_ + cursor_, 0, length - used);
  header.lsn = Lsn(origin_ + begin_);
  header.length_bytes = length;
  header.records_bytes = used - kBatchHeaderBytes;
  header.record_count = record_count_;

  Finished finished;
  finished.crc = EncodeBatchHeader(header, absl::MakeSpan(data_ + begin_, length));
  finished.bytes = begin_ + length;
  finished.padding_bytes = length - used;
  finished.records = record_count_ - continued_pieces_;
  finished.payload_bytes = payload_bytes_;
  finished.begin = header.lsn;
  finished.end = header.lsn + length;
  finished.safe_end = broken_record_ == Lsn() ? finished.end : broken_record_;
#ifdef COREWAL_MUTATIONS
  // As if this batch had been built where the one before it is, perhaps still being written.
  if (Mutated(Mutation::kBufferReusedEarly) && in_flight_ != nullptr) {
    std::memcpy(in_flight_, data_, kBlockBytes);
  }
  in_flight_ = data_;
#endif
  finished.buffer = std::move(buffer_);
  Close(finished.end);
  return finished;
}

void BatchBuilder::Close(Lsn end) {
  buffer_.Return();
  data_ = nullptr;
  begin_ = cursor_ = limit_ = record_count_ = 0;
  piece_end_ = piece_limit_ = 0;
  origin_ = end.value();
}

}  // namespace corewal
