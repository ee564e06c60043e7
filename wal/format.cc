#include "wal/format.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mutation.h"
#include "wal/little_endian.h"

namespace corewal {
namespace {

using Bytes = absl::Span<const std::byte>;

constexpr char kSegmentMagic[8] = {'C', 'O', 'R', 'E', 'W', 'A', 'L', '\n'};
constexpr uint32_t kBatchMagic = 'C' | 'W' << 8 | 'B' << 16 | static_cast<uint32_t>('1') << 24;
constexpr uint32_t kShardsMax = 65536;

// FORMAT.md, "Segment header".
namespace segment_at {
constexpr size_t kMagic = 0, kCrc = 8, kVersion = 12, kUuid = 16, kShard = 32,
                 kBlockBytesField = 36, kSequence = 40, kBaseLsn = 48, kSegmentBytes = 56,
                 kIncarnation = 64, kPreviousSequence = 72, kPreviousEnd = 80, kPreviousCrc = 88,
                 kReserved = 92, kDurable = 96, kEpoch = 104, kCreated = 112, kRest = 120;
}  // namespace segment_at

// FORMAT.md, "Batch header".
namespace batch_at {
constexpr size_t kMagic = 0, kCrc = 4, kLsn = 8, kDurable = 16, kIncarnation = 24, kEpoch = 32,
                 kLengthBytes = 40, kRecordsBytes = 44, kRecordCount = 48, kPreviousCrc = 52,
                 kFlags = 56, kHeaderCrc = 60;
}  // namespace batch_at

bool IsBlockMultiple(uint64_t value) { return value % kBlockBytes == 0; }

bool AllZero(Bytes bytes) {
  // memcmp of the range with itself, shifted by one byte: all equal to the first, which is zero.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Rule S4 but for the bytes that must be zero.
bool SegmentFieldsValid(const SegmentHeader& h) {
  if (h.uuid.is_zero() || ToIndex(h.shard) >= kShardsMax || h.incarnation.count() == 0)
    return false;
  if (h.segment_bytes < kSegmentBytesMin || h.segment_bytes > kSegmentBytesMax ||
      !IsBlockMultiple(h.segment_bytes)) {
    return false;
  }
  if (!IsBlockMultiple(h.base_lsn.value()) || h.base_lsn.value() > UINT64_MAX - h.segment_bytes) {
    return false;
  }
  if (h.previous_sequence >= h.sequence) return false;  // so sequence >= 1
  if (h.previous_sequence == 0 && (h.previous_end != Lsn(0) || h.previous_crc != 0)) return false;
  return h.previous_end <= h.base_lsn && IsBlockMultiple(h.previous_end.value()) &&
         h.durable <= h.previous_end && IsBlockMultiple(h.durable.value());
}

// The part of rule B5 that needs no segment.
bool BatchLengthValid(uint32_t length_bytes) {
  return length_bytes >= kBlockBytes && length_bytes <= kBatchBytesMax &&
         IsBlockMultiple(length_bytes);
}

// Rule B6.
bool BatchFieldsValid(const BatchHeader& h) {
  if ((h.flags & ~uint32_t{kBatchFlagsKnown}) != 0) return false;
  if (!IsBlockMultiple(h.lsn.value()) || h.lsn.value() > UINT64_MAX - h.length_bytes) return false;
  if (h.durable > h.lsn || !IsBlockMultiple(h.durable.value())) return false;
  if (h.incarnation.count() == 0) return false;
  if (h.records_bytes > h.length_bytes - kBatchHeaderBytes ||
      h.records_bytes % kRecordAlignment != 0) {
    return false;
  }
  if (RoundUpToBlock(uint64_t{kBatchHeaderBytes} + h.records_bytes) != h.length_bytes) return false;
  const bool seal = (h.flags & kBatchFlagSeal) != 0;
  if (seal) return h.records_bytes == 0 && h.record_count == 0;
  return h.record_count != 0 && h.record_count <= h.records_bytes / kRecordFramingBytes;
}

uint32_t BatchCrc(Bytes batch) {
  const uint32_t header =
      Crc32c(batch.subspan(batch_at::kLsn, batch_at::kHeaderCrc - batch_at::kLsn));
  return ExtendCrc32c(header, batch.subspan(kBatchHeaderBytes));
}

struct PiecePlace {
  uint64_t at = 0;   // in the records
  uint64_t end = 0;  // of all records of the batch
  bool first = false;
  bool last = false;
};

// Rule B9 for one piece. Returns where the next one starts; 0 if this one is not valid.
uint64_t CheckPiece(const std::byte* records, const PiecePlace& place) {
  const uint64_t at = place.at;
  if (place.end - at < kRecordFramingBytes) return 0;
  const RecordFraming framing = RecordFraming::Decode(LoadLe32(records + at));
  const uint64_t next = at + FramedBytes(framing.length);
  if (next > place.end) return 0;
  // The padding is the upper bytes of the piece's last four.
  const uint32_t padding = static_cast<uint32_t>(next - at) - kRecordFramingBytes - framing.length;
  if (padding != 0 && LoadLe32(records + next - 4) >> (32 - 8 * padding) != 0) return 0;
  if (framing.piece == Piece::kWhole) return next;
  if (framing.piece == Piece::kFirst) {
    if (framing.length < kFirstPieceExtraBytes) return 0;
    const uint64_t whole = LoadLe64(records + at + kRecordFramingBytes);
    const uint64_t data = framing.length - kFirstPieceExtraBytes;
    if (whole > kRecordBytesMax || whole <= data) return 0;
  } else if (!place.first || framing.length == 0) {
    return 0;  // a record goes on at the start of a batch only
  }
  // What goes on in the next batch has nothing behind it in this one.
  if (framing.piece != Piece::kLast && !place.last) return 0;
  return next;
}

// Rule B9.
bool RecordsValid(Bytes batch, const BatchHeader& h, uint32_t* last_piece_at) {
  const std::byte* records = batch.data() + kBatchHeaderBytes;
  uint64_t at = 0;
  uint64_t last = 0;
  for (uint32_t i = 0; i < h.record_count; ++i) {
    last = at;
    at = CheckPiece(
        records,
        {.at = at, .end = h.records_bytes, .first = i == 0, .last = i + 1 == h.record_count});
    if (at == 0) return false;
  }
  if (at != h.records_bytes) return false;
  if (last_piece_at != nullptr) *last_piece_at = static_cast<uint32_t>(kBatchHeaderBytes + last);
  return AllZero(batch.subspan(kBatchHeaderBytes + h.records_bytes));
}

// Rules B0 to B2: reads the fields if the header itself is whole.
FormatRule ReadBatchHeader(Bytes bytes, BatchHeader* header) {
  if (bytes.size() < kBatchHeaderBytes) return FormatRule::kBatchTooShort;
  const std::byte* p = bytes.data();
  if (LoadLe32(p + batch_at::kMagic) != kBatchMagic) return FormatRule::kBatchMagic;
  if (Crc32c(bytes.first(batch_at::kHeaderCrc)) != LoadLe32(p + batch_at::kHeaderCrc)) {
    return FormatRule::kBatchHeaderCrc;
  }
  header->crc = LoadLe32(p + batch_at::kCrc);
  header->lsn = Lsn(LoadLe64(p + batch_at::kLsn));
  header->durable = Lsn(LoadLe64(p + batch_at::kDurable));
  header->incarnation = Incarnation{LoadLe64(p + batch_at::kIncarnation)};
  header->epoch = Epoch(LoadLe64(p + batch_at::kEpoch));
  header->length_bytes = LoadLe32(p + batch_at::kLengthBytes);
  header->records_bytes = LoadLe32(p + batch_at::kRecordsBytes);
  header->record_count = LoadLe32(p + batch_at::kRecordCount);
  header->previous_crc = LoadLe32(p + batch_at::kPreviousCrc);
  header->flags = LoadLe32(p + batch_at::kFlags);
  return FormatRule::kOk;
}

}  // namespace

const char* FormatRuleText(FormatRule rule) {
  switch (rule) {
    case FormatRule::kOk:
      return "valid";
    case FormatRule::kSegmentTooShort:
      return "S0: the file is shorter than a segment header";
    case FormatRule::kSegmentMagic:
      return "S1: no segment header (its magic is missing)";
    case FormatRule::kSegmentCrc:
      return "S2: the segment header's CRC does not match";
    case FormatRule::kSegmentVersion:
      return "S3: the segment's format version is not readable here";
    case FormatRule::kSegmentFields:
      return "S4: the segment header's fields contradict each other";
    case FormatRule::kBatchTooShort:
      return "B0: the file ends inside the batch";
    case FormatRule::kBatchMagic:
      return "B1: no batch header (its magic is missing)";
    case FormatRule::kBatchHeaderCrc:
      return "B2: the batch header's CRC does not match";
    case FormatRule::kBatchLsn:
      return "B3: the batch belongs elsewhere (its LSN is another)";
    case FormatRule::kBatchIncarnation:
      return "B4: the batch is of another incarnation";
    case FormatRule::kBatchLength:
      return "B5: the batch's length is not possible here";
    case FormatRule::kBatchFields:
      return "B6: the batch header's fields contradict each other";
    case FormatRule::kBatchChain:
      return "B7: the batch does not follow the one before (chain of CRCs)";
    case FormatRule::kBatchCrc:
      return "B8: the batch's CRC does not match";
    case FormatRule::kBatchRecords:
      return "B9: the batch's records contradict its header";
  }
  return "unknown rule";
}

void EncodeSegmentHeader(const SegmentHeader& header, absl::Span<std::byte> block) {
  namespace at = segment_at;
  CHECK_EQ(block.size(), kBlockBytes);
  CHECK_EQ(header.version, kFormatVersion);
  CHECK(SegmentFieldsValid(header))
      << "sequence " << header.sequence << ", base_lsn " << header.base_lsn << ", segment_bytes "
      << header.segment_bytes << ", previous_sequence " << header.previous_sequence
      << ", previous_end " << header.previous_end << ", durable " << header.durable << ", uuid "
      << header.uuid.ToString();
  std::byte* p = block.data();
  std::memset(p, 0, block.size());
  std::memcpy(p + at::kMagic, kSegmentMagic, sizeof(kSegmentMagic));
  StoreLe32(header.version, p + at::kVersion);
  std::memcpy(p + at::kUuid, header.uuid.bytes.data(), header.uuid.bytes.size());
  StoreLe32(ToIndex(header.shard), p + at::kShard);
  StoreLe32(kBlockBytes, p + at::kBlockBytesField);
  StoreLe64(header.sequence, p + at::kSequence);
  StoreLe64(header.base_lsn.value(), p + at::kBaseLsn);
  StoreLe64(header.segment_bytes, p + at::kSegmentBytes);
  StoreLe64(header.incarnation.bits, p + at::kIncarnation);
  StoreLe64(header.previous_sequence, p + at::kPreviousSequence);
  StoreLe64(header.previous_end.value(), p + at::kPreviousEnd);
  StoreLe32(header.previous_crc, p + at::kPreviousCrc);
  StoreLe64(header.durable.value(), p + at::kDurable);
  StoreLe64(header.epoch.value(), p + at::kEpoch);
  StoreLe64(header.created_unix_ns, p + at::kCreated);
  StoreLe32(Crc32c(block.subspan(at::kVersion)), p + at::kCrc);
}

FormatRule DecodeSegmentHeader(Bytes block, SegmentHeader* header) {
  namespace at = segment_at;
  if (block.size() < kBlockBytes) return FormatRule::kSegmentTooShort;
  block = block.first(kBlockBytes);
  const std::byte* p = block.data();
  if (std::memcmp(p, kSegmentMagic, sizeof(kSegmentMagic)) != 0) return FormatRule::kSegmentMagic;
  if (Crc32c(block.subspan(at::kVersion)) != LoadLe32(p + at::kCrc)) return FormatRule::kSegmentCrc;
  header->version = LoadLe32(p + at::kVersion);
  if (header->version != kFormatVersion) return FormatRule::kSegmentVersion;
  std::memcpy(header->uuid.bytes.data(), p + at::kUuid, header->uuid.bytes.size());
  header->shard = ShardId{LoadLe32(p + at::kShard)};
  header->sequence = LoadLe64(p + at::kSequence);
  header->base_lsn = Lsn(LoadLe64(p + at::kBaseLsn));
  header->segment_bytes = LoadLe64(p + at::kSegmentBytes);
  header->incarnation = Incarnation{LoadLe64(p + at::kIncarnation)};
  header->previous_sequence = LoadLe64(p + at::kPreviousSequence);
  header->previous_end = Lsn(LoadLe64(p + at::kPreviousEnd));
  header->previous_crc = LoadLe32(p + at::kPreviousCrc);
  header->durable = Lsn(LoadLe64(p + at::kDurable));
  header->epoch = Epoch(LoadLe64(p + at::kEpoch));
  header->created_unix_ns = LoadLe64(p + at::kCreated);
  const bool rest_ok = LoadLe32(p + at::kBlockBytesField) == kBlockBytes &&
                       LoadLe32(p + at::kReserved) == 0 && AllZero(block.subspan(at::kRest));
  return rest_ok && SegmentFieldsValid(*header) ? FormatRule::kOk : FormatRule::kSegmentFields;
}

uint32_t EncodeBatchHeader(const BatchHeader& header, absl::Span<std::byte> batch) {
  CHECK_EQ(batch.size(), header.length_bytes);
  CHECK(BatchLengthValid(header.length_bytes) && BatchFieldsValid(header))
      << "lsn " << header.lsn << ", durable " << header.durable << ", length "
      << header.length_bytes << ", records_bytes " << header.records_bytes << ", record_count "
      << header.record_count << ", flags " << header.flags << ", incarnation "
      << header.incarnation.bits;
  std::byte* p = batch.data();
  StoreLe32(kBatchMagic, p + batch_at::kMagic);
  StoreLe64(header.lsn.value(), p + batch_at::kLsn);
  StoreLe64(header.durable.value(), p + batch_at::kDurable);
  StoreLe64(header.incarnation.bits, p + batch_at::kIncarnation);
  StoreLe64(header.epoch.value(), p + batch_at::kEpoch);
  StoreLe32(header.length_bytes, p + batch_at::kLengthBytes);
  StoreLe32(header.records_bytes, p + batch_at::kRecordsBytes);
  StoreLe32(header.record_count, p + batch_at::kRecordCount);
  StoreLe32(header.previous_crc, p + batch_at::kPreviousCrc);
  StoreLe32(header.flags, p + batch_at::kFlags);
  const uint32_t crc = BatchCrc(batch);
  StoreLe32(crc, p + batch_at::kCrc);
  StoreLe32(Crc32c(Bytes(batch).first(batch_at::kHeaderCrc)), p + batch_at::kHeaderCrc);
  return crc;
}

FormatRule DecodeBatchHeader(Bytes bytes, BatchHeader* header) {
  const FormatRule rule = ReadBatchHeader(bytes, header);
  if (rule != FormatRule::kOk) return rule;
  if (!BatchLengthValid(header->length_bytes)) return FormatRule::kBatchLength;
  return BatchFieldsValid(*header) ? FormatRule::kOk : FormatRule::kBatchFields;
}

FormatRule CheckBatch(Bytes bytes, const BatchContext& context, BatchHeader* header,
                      uint32_t* last_piece_at) {
  const FormatRule rule = ReadBatchHeader(bytes, header);
  if (rule != FormatRule::kOk) return rule;
  const bool here = header->lsn == context.lsn;
  if (!here && !Mutated(Mutation::kLsnNotChecked)) return FormatRule::kBatchLsn;
  if (header->incarnation != context.incarnation) return FormatRule::kBatchIncarnation;
  if (!BatchLengthValid(header->length_bytes) || header->length_bytes > context.bytes_left) {
    return FormatRule::kBatchLength;
  }
  if (!BatchFieldsValid(*header)) return FormatRule::kBatchFields;
  const bool seal = (header->flags & kBatchFlagSeal) != 0;
  if (seal && header->durable < context.previous_end) return FormatRule::kBatchFields;
  if (bytes.size() < header->length_bytes) return FormatRule::kBatchTooShort;
  bytes = bytes.first(header->length_bytes);
  const bool chained = header->previous_crc == context.previous_crc;
  if (!chained && here && !Mutated(Mutation::kChainNotChecked)) return FormatRule::kBatchChain;
  if (BatchCrc(bytes) != header->crc && !Mutated(Mutation::kBatchCrcNotChecked)) {
    return FormatRule::kBatchCrc;
  }
  return RecordsValid(bytes, *header, last_piece_at) ? FormatRule::kOk : FormatRule::kBatchRecords;
}

}  // namespace corewal
