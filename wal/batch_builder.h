// wal/batch_builder.h: the open batch. Frames records, once, straight into a registered buffer.
//
//   Start(buffer)   Append* | Reserve+Commit | StartPiece, FillPiece*, FinishPiece
//   Finish() -> the bytes to write
//
// A segment's first batch is written together with the segment header, so its buffer begins with
// one block for that header.
// Invariants: begin_ <= cursor_ <= limit_ while open; while closed, or while a piece is being
// filled, there is room for nothing.
#ifndef COREWAL_WAL_BATCH_BUILDER_H_
#define COREWAL_WAL_BATCH_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/types/span.h"
#include "base/check.h"
#include "base/mutation.h"
#include "io_backend/buffer_lease.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

class BatchBuilder {
 public:
  // The batch begins at `lsn` and takes at most `bytes_max` (a multiple of kBlockBytes).
  // `skip_bytes` of the buffer stay free before it (one block for a segment header, or none).
  void Start(BufferLease buffer, uint32_t skip_bytes, Lsn lsn, uint32_t bytes_max) {
    CHECK(!open());
    CHECK_LE(uint64_t{skip_bytes} + bytes_max, buffer.size());
    buffer_ = std::move(buffer);
    data_ = buffer_.data();
    begin_ = skip_bytes;
    cursor_ = skip_bytes + kBatchHeaderBytes;
    limit_ = skip_bytes + bytes_max;
    origin_ = lsn.value() - skip_bytes;
    record_count_ = 0;
    continued_pieces_ = 0;
    payload_bytes_ = 0;
    broken_record_ = Lsn();
    piece_limit_ = 0;
  }

  bool open() const { return data_ != nullptr; }
  bool empty() const { return record_count_ == 0; }
  uint32_t room() const { return limit_ - cursor_; }
  bool Fits(uint64_t payload_bytes) const {
    return payload_bytes <= RecordFraming::kLengthMax && FramedBytes(payload_bytes) <= room();
  }

  // Requires Fits(payload.size()).
  Lsn Append(absl::Span<const std::byte> payload, RecordType type) {
    std::byte* to = BeginPiece(static_cast<uint32_t>(payload.size()), Piece::kWhole, type);
    if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
    return EndPiece(static_cast<uint32_t>(payload.size()));
  }

  // Where the next whole record's payload would go. Requires Fits(bytes).
  absl::Span<std::byte> Reserve(uint32_t bytes) {
    return absl::MakeSpan(data_ + cursor_ + kRecordFramingBytes, bytes);
  }
  // Requires bytes <= the reservation.
  Lsn CommitReserved(uint32_t bytes, RecordType type) {
    BeginPiece(bytes, Piece::kWhole, type);
    return EndPiece(bytes);
  }

  // Opens the last piece of the batch (or a whole record), to be filled as its bytes come. A first
  // piece leaves `extra_bytes` (kFirstPieceExtraBytes) free before them. Requires
  // Fits(extra_bytes).
  void StartPiece(uint32_t extra_bytes);
  bool piece_open() const { return piece_limit_ != 0; }
  // More of the open piece's data, as many bytes as would still fit. 0 if none is open.
  uint32_t piece_room() const { return piece_limit_ - piece_end_; }
  // Requires part.size() <= piece_room().
  void FillPiece(absl::Span<const std::byte> part) {
    CHECK_LE(part.size(), piece_room());
    if (!part.empty()) std::memcpy(data_ + piece_end_, part.data(), part.size());
    piece_end_ += static_cast<uint32_t>(part.size());
  }
  // Makes what was filled in a piece of the record at `record_lsn`, which has `whole_bytes`. A
  // first or whole piece stands at that LSN. Afterwards there is room again for what else fits.
  void FinishPiece(Piece piece, RecordType type, uint64_t whole_bytes, Lsn record_lsn);

  // Pads to a block and encodes the header from `header`, of which lsn, length_bytes, records_bytes
  // and record_count are filled in here. bytes(), end() and so on stay valid until Take().
  struct Finished {
    BufferLease buffer;
    uint32_t bytes = 0;  // to write, from the buffer's start, skipped bytes included
    uint32_t padding_bytes = 0;
    uint32_t records = 0;  // begun in it: whole ones and first pieces
    uint32_t payload_bytes = 0;
    uint32_t crc = 0;
    Lsn begin;     // of the batch
    Lsn end;       // behind its padding
    Lsn safe_end;  // end, or the beginning of the record that goes on in the next batch
  };
  Finished Finish(BatchHeader header);
  // Forgets the open batch, if any; end() becomes `end`.
  void Close(Lsn end);

  // LSN behind the last record framed, or where the next batch would begin.
  Lsn end() const { return Lsn(origin_ + cursor_); }
  // The skipped block. Requires skip_bytes > 0.
  absl::Span<std::byte> skipped() { return absl::MakeSpan(data_, begin_); }
  uint32_t skip_bytes() const { return begin_; }

 private:
  std::byte* BeginPiece(uint32_t length, Piece piece, RecordType type) {
    const uint32_t framing = RecordFraming{length, piece, type}.Encode();
    std::byte* at = data_ + cursor_;
    std::memcpy(at, &framing, sizeof(framing));  // little endian; see format.cc
    return at + kRecordFramingBytes;
  }
  Lsn EndPiece(uint32_t length) {
    const Lsn lsn = end();
    const uint32_t framed = static_cast<uint32_t>(FramedBytes(length));
    for (uint32_t i = kRecordFramingBytes + length; i < framed; ++i) data_[cursor_ + i] = {};
    cursor_ += framed;
    payload_bytes_ += length;
    ++record_count_;
    return lsn;
  }

  BufferLease buffer_;
  std::byte* data_ = nullptr;
  uint32_t begin_ = 0;   // of the batch, in the buffer
  uint32_t cursor_ = 0;  // behind the last record, in the buffer
  uint32_t limit_ = 0;
  uint32_t record_count_ = 0;      // pieces
  uint32_t continued_pieces_ = 0;  // of them, middle and last ones
  uint32_t payload_bytes_ = 0;
  uint32_t piece_end_ = 0;    // of the open piece's data, in the buffer
  uint32_t piece_limit_ = 0;  // the batch's limit_ while a piece is open; else 0
  uint32_t piece_extra_bytes_ = 0;
  uint64_t origin_ = 0;  // LSN of the buffer's byte 0
  Lsn broken_record_;    // the record that this batch leaves unfinished; 0: none
#ifdef COREWAL_MUTATIONS
  std::byte* in_flight_ = nullptr;
#endif
};

}  // namespace corewal

#endif  // COREWAL_WAL_BATCH_BUILDER_H_
