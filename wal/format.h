// wal/format.h: the bytes of a log, as structs. FORMAT.md is the specification; this header holds
// only what writer and reader share.
//
//   segment  =  segment header (one block)  batch*  unused rest
//   batch    =  batch header (64 bytes)  record*  zero padding to a block
//   record   =  framing (4 bytes)  payload  zero padding to 4 bytes
//
// All numbers are little endian. LSN of a byte = base_lsn of its segment + its offset in the file.
#ifndef COREWAL_WAL_FORMAT_H_
#define COREWAL_WAL_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "wal/lsn.h"

namespace corewal {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kBlockBytes = 4096;  // unit of writing; every batch starts on one
inline constexpr uint32_t kBatchHeaderBytes = 64;
inline constexpr uint32_t kRecordFramingBytes = 4;
inline constexpr uint32_t kRecordAlignment = 4;
inline constexpr uint32_t kFirstPieceExtraBytes = 8;  // a FIRST piece begins with the whole length
inline constexpr uint32_t kBatchBytesMax = 4u << 20;  // so that a piece's length fits 22 bits
inline constexpr uint64_t kRecordBytesMax = 1ull << 30;
inline constexpr uint64_t kSegmentBytesMin = 64ull << 10;
inline constexpr uint64_t kSegmentBytesMax = 64ull << 30;

// FORMAT.md, "Segment header". `crc` of the encoded block covers bytes 12 .. 4095.
struct SegmentHeader {
  uint32_t version = kFormatVersion;
  LogUuid uuid;
  ShardId shard{};
  uint64_t sequence = 0;           // 1, 2, 3, ... along the shard's log
  Lsn base_lsn;                    // LSN of the file's byte 0
  uint64_t segment_bytes = 0;      // the next segment's base_lsn is base_lsn + segment_bytes
  Incarnation incarnation;         // every batch of the segment carries the same
  uint64_t previous_sequence = 0;  // 0: this is the log's first segment
  Lsn previous_end;                // LSN behind the last batch of the previous segment
  uint32_t previous_crc = 0;       // that batch's crc
  Lsn durable;                     // known to be durable when this header was written
  Epoch epoch;
  uint64_t created_unix_ns = 0;  // for humans; orders nothing

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// FORMAT.md, "Batch header".
struct BatchHeader {
  uint32_t crc = 0;  // over bytes 8 .. 59, then 64 .. length_bytes-1
  Lsn lsn;           // of the header's first byte
  Lsn durable;       // known to be durable when this batch was written; <= lsn, and
                     // always the end of a batch (or 0), never the start of a segment
  Incarnation incarnation;
  Epoch epoch;
  uint32_t length_bytes = 0;   // header, records and padding; a multiple of kBlockBytes
  uint32_t records_bytes = 0;  // framing and payloads, directly behind the header
  uint32_t record_count = 0;   // pieces, whole records included
  uint32_t previous_crc = 0;   // crc of the batch before: the chain
  uint32_t flags = 0;

  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;
};

enum BatchFlags : uint32_t {
  kBatchFlagSeal = 1u << 0,  // no records; `durable` is the end of the batch before it, or its lsn
  kBatchFlagsKnown = kBatchFlagSeal,
};

enum class Piece : uint8_t { kWhole = 0, kFirst = 1, kMiddle = 2, kLast = 3 };

// 0 .. 127 are the user's; 128 .. 255 belong to corewal.
enum class RecordType : uint8_t {
  kUser = 0,
  kEpochBarrier = 128,
  kCheckpoint = 129,
  kAtomicPart = 130,
  kAtomicHome = 131,
};

constexpr bool IsUserType(RecordType type) { return static_cast<uint8_t>(type) < 128; }

// The 4 bytes before each payload: length in bits 0..21, piece in 22..23, type in 24..31.
struct RecordFraming {
  uint32_t length = 0;  // bytes of this piece's payload, without padding; for kFirst with its extra
  Piece piece = Piece::kWhole;
  RecordType type = RecordType::kUser;

  static constexpr uint32_t kLengthMax = (1u << 22) - 1;

  constexpr uint32_t Encode() const {
    return length | static_cast<uint32_t>(piece) << 22 | static_cast<uint32_t>(type) << 24;
  }
  static constexpr RecordFraming Decode(uint32_t bits) {
    return {bits & kLengthMax, static_cast<Piece>(bits >> 22 & 3),
            static_cast<RecordType>(bits >> 24)};
  }
};

// Bytes that a piece of `length` takes in a batch.
constexpr uint64_t FramedBytes(uint64_t length) {
  return kRecordFramingBytes +
         (length + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}
constexpr uint64_t RoundUpToBlock(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// What the rules of FORMAT.md, "Valid if and only if", say of some bytes. The names are the labels
// of that list.
enum class FormatRule : uint8_t {
  kOk,
  // segment header
  kSegmentTooShort,  // S0
  kSegmentMagic,     // S1
  kSegmentCrc,       // S2
  kSegmentVersion,   // S3
  kSegmentFields,    // S4
  // batch
  kBatchTooShort,     // B0: the file ends inside it
  kBatchMagic,        // B1
  kBatchHeaderCrc,    // B2
  kBatchLsn,          // B3
  kBatchIncarnation,  // B4
  kBatchLength,       // B5
  kBatchFields,       // B6
  kBatchChain,        // B7
  kBatchCrc,          // B8
  kBatchRecords,      // B9
};
// "B8: the batch's CRC does not match" and the like.
const char* FormatRuleText(FormatRule rule);

// Writes the whole block. `block` is kBlockBytes long. A header that breaks S4 fails a CHECK.
void EncodeSegmentHeader(const SegmentHeader& header, absl::Span<std::byte> block);
// Rules S0 to S4, in this order. `header` is filled as far as known (version for kSegmentVersion).
FormatRule DecodeSegmentHeader(absl::Span<const std::byte> block, SegmentHeader* header);

// Writes kBatchHeaderBytes at the start of `batch` (length_bytes long, records and padding in
// place), computing both CRCs; returns the batch's crc, the next link of the chain. header.crc is
// not looked at. A header that breaks B5 or B6 fails a CHECK.
uint32_t EncodeBatchHeader(const BatchHeader& header, absl::Span<std::byte> batch);
// Rules B0 to B2, B5 but for the segment's end, and B6: what can be said of 64 bytes alone,
// wherever they lie. A header that passes, stands where its lsn says and has its segment's
// incarnation is a credible witness of its `durable`, even if its batch is damaged.
FormatRule DecodeBatchHeader(absl::Span<const std::byte> bytes, BatchHeader* header);

// What a batch must agree with, from its segment and the batch before it.
struct BatchContext {
  Lsn lsn;  // where it stands
  Incarnation incarnation;
  uint32_t previous_crc = 0;
  uint64_t bytes_left = 0;  // to the end of the segment, from lsn
  Lsn previous_end;         // behind the batch before: `lsn`, or the segment header's previous_end
};
// Rules B1 to B9, in this order; B0 as soon as a byte is missing. `bytes` starts at the batch and
// holds at least its length_bytes, or as much as the file has. `header` is filled from B3 on;
// `last_piece_at`, if the batch is valid and has records, with where in it the last one begins.
FormatRule CheckBatch(absl::Span<const std::byte> bytes, const BatchContext& context,
                      BatchHeader* header, uint32_t* last_piece_at = nullptr);

}  // namespace corewal

#endif  // COREWAL_WAL_FORMAT_H_
