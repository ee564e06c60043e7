#include "wal/batch_builder.h"

namespace corewal {

Lsn BatchBuilder::AppendPiece(absl::Span<const std::byte> part, Piece piece, RecordType type,
                              uint64_t whole_bytes, Lsn record_lsn) {
  const uint32_t extra = piece == Piece::kFirst ? kFirstPieceExtraBytes : 0;
  const uint32_t length = static_cast<uint32_t>(part.size()) + extra;
  std::byte* to = BeginPiece(length, piece, type);
  if (extra != 0) std::memcpy(to, &whole_bytes, sizeof(whole_bytes));
  std::memcpy(to + extra, part.data(), part.size());
  const Lsn lsn = EndPiece(length);
  payload_bytes_ -= extra;
  if (piece != Piece::kFirst) ++continued_pieces_;
  broken_record_ = piece == Piece::kFirst ? lsn : piece == Piece::kMiddle ? record_lsn : Lsn();
  return lsn;
}

BatchBuilder::Finished BatchBuilder::Finish(BatchHeader header) {
  CHECK(open());
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
  origin_ = end.value();
}

}  // namespace corewal
