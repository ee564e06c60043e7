#include <cstring>
#include <string>

#include "base/check.h"
#include "tests/fuzz/targets.h"
#include "tests/wal/log_builder.h"
#include "wal/format.h"
#include "wal/little_endian.h"

namespace corewal {
namespace {

// A batch that keeps all rules can be walked, and encodes to what it was.
void CheckValidBatch(const std::string& bytes, const BatchHeader& header, uint32_t last_piece_at) {
  uint64_t at = kBatchHeaderBytes;
  uint64_t last = at;
  for (uint32_t i = 0; i < header.record_count; ++i) {
    CHECK_LE(at + kRecordFramingBytes, bytes.size());
    last = at;
    at += FramedBytes(RecordFraming::Decode(LoadLe32(AsBytes(bytes).data() + at)).length);
  }
  CHECK_EQ(at, kBatchHeaderBytes + header.records_bytes);
  if (header.record_count > 0) CHECK_EQ(last, last_piece_at);
  std::string again = bytes.substr(0, header.length_bytes);
  EncodeBatchHeader(header,
                    absl::MakeSpan(reinterpret_cast<std::byte*>(again.data()), again.size()));
  CHECK(again == bytes.substr(0, header.length_bytes));
}

void TryBatch(std::string bytes, bool fix_crcs) {
  if (fix_crcs && bytes.size() >= kBatchHeaderBytes) {
    const uint32_t length = Get32(bytes.data() + 40);
    if (length >= kBatchHeaderBytes && length <= kBatchBytesMax) {
      bytes.resize(std::max<size_t>(bytes.size(), length));
      FixBatchCrcs(bytes.data());
    }
  }
  BatchHeader header;
  if (DecodeBatchHeader(AsBytes(bytes), &header) != FormatRule::kOk) {
    CHECK(CheckBatch(AsBytes(bytes), {}, &header) != FormatRule::kOk);
    return;
  }
  // The rules that need a context: one that the header agrees with, so that the rest is reached.
  const BatchContext context = {.lsn = header.lsn,
                                .incarnation = header.incarnation,
                                .previous_crc = header.previous_crc,
                                .bytes_left = kSegmentBytesMax,
                                .previous_end = header.durable};
  uint32_t last_piece_at = 0;
  if (CheckBatch(AsBytes(bytes), context, &header, &last_piece_at) == FormatRule::kOk) {
    CheckValidBatch(bytes, header, last_piece_at);
  }
}

void TrySegmentHeader(std::string block, bool fix_crc) {
  if (fix_crc && block.size() >= kBlockBytes) FixSegmentHeaderCrc(block.data());
  SegmentHeader header;
  if (DecodeSegmentHeader(AsBytes(block), &header) != FormatRule::kOk) return;
  std::string again(kBlockBytes, '\0');
  EncodeSegmentHeader(header,
                      absl::MakeSpan(reinterpret_cast<std::byte*>(again.data()), again.size()));
  CHECK(again == block.substr(0, kBlockBytes));
}

}  // namespace

void FuzzBatch(FuzzInput input) {
  if (input.empty()) return;
  const bool fix_crcs = (input[0] & 1) != 0;
  const std::string bytes(input.begin() + 1, input.end());
  TryBatch(bytes, fix_crcs);
  TrySegmentHeader(bytes, fix_crcs);
}

}  // namespace corewal
