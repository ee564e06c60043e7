#include "tests/wal/log_builder.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "base/crc32c.h"

namespace corewal {
namespace {

std::string NameOf(uint64_t sequence) {
  char name[32];
  std::snprintf(name, sizeof(name), "%016llx.wal", static_cast<unsigned long long>(sequence));
  return name;
}

absl::Span<const std::byte> BytesAt(const char* at, size_t length) {
  return {reinterpret_cast<const std::byte*>(at), length};
}

}  // namespace

TestPiece TestPiece::First(uint64_t whole_bytes, absl::string_view data) {
  std::string payload(8, '\0');
  Put64(payload.data(), whole_bytes);
  payload.append(data.data(), data.size());
  return TestPiece(std::move(payload), Piece::kFirst);
}

absl::Span<const std::byte> AsBytes(const std::string& text) {
  return BytesAt(text.data(), text.size());
}

std::string Text(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

LogUuid TestUuid(uint8_t fill) {
  LogUuid uuid;
  uuid.bytes.fill(std::byte{fill});
  return uuid;
}

Incarnation TestIncarnation(uint32_t count, uint32_t random) {
  return Incarnation{uint64_t{count} << 32 | random};
}

void Put32(char* at, uint32_t value) { std::memcpy(at, &value, sizeof(value)); }
void Put64(char* at, uint64_t value) { std::memcpy(at, &value, sizeof(value)); }
uint32_t Get32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::string MakeBatch(BatchHeader header, const std::vector<TestPiece>& pieces) {
  std::string records;
  for (const TestPiece& piece : pieces) {
    char framing[4];
    Put32(framing,
          RecordFraming{static_cast<uint32_t>(piece.payload.size()), piece.piece, piece.type}
              .Encode());
    records.append(framing, sizeof(framing));
    records.append(piece.payload);
    records.resize((records.size() + 3) / 4 * 4, '\0');
  }
  header.records_bytes = static_cast<uint32_t>(records.size());
  header.record_count = static_cast<uint32_t>(pieces.size());
  header.length_bytes = static_cast<uint32_t>(RoundUpToBlock(kBatchHeaderBytes + records.size()));
  std::string batch(header.length_bytes, '\0');
  records.copy(batch.data() + kBatchHeaderBytes, records.size());
  EncodeBatchHeader(header,
                    absl::MakeSpan(reinterpret_cast<std::byte*>(batch.data()), batch.size()));
  return batch;
}

std::string MakeSegmentHeader(const SegmentHeader& header) {
  std::string block(kBlockBytes, '\0');
  EncodeSegmentHeader(header,
                      absl::MakeSpan(reinterpret_cast<std::byte*>(block.data()), block.size()));
  return block;
}

void FixBatchHeaderCrc(char* batch) { Put32(batch + 60, Crc32c(BytesAt(batch, 60))); }

void FixBatchCrcs(char* batch) {
  const uint32_t length = Get32(batch + 40);
  CHECK_GE(length, 64u);
  std::string covered(batch + 8, 52);
  covered.append(batch + 64, length - 64);
  Put32(batch + 4, Crc32c(AsBytes(covered)));
  FixBatchHeaderCrc(batch);
}

void FixSegmentHeaderCrc(char* block) { Put32(block + 8, Crc32c(BytesAt(block + 12, 4084))); }

void LogBuilder::StartSegment() {
  SegmentHeader header;
  header.uuid = TestUuid();
  header.sequence = sequence_ + 1;
  header.base_lsn = base(header.sequence);
  header.segment_bytes = segment_bytes_;
  header.incarnation = incarnation();
  header.previous_sequence = sequence_;
  header.previous_end = end_;
  header.previous_crc = crc_;
  header.durable = segment_.incarnation != header.incarnation ? end_ : DurableNow();
  segment_ = header;
  sequence_ = header.sequence;
  next_ = header.base_lsn + kBlockBytes;
  std::string& image = images_[sequence_];
  image = MakeSegmentHeader(header);
  image.resize(segment_bytes_, '\0');
}

BatchHeader LogBuilder::Put(BatchHeader header, const std::vector<TestPiece>& pieces) {
  if (end_.value() > segment_.base_lsn.value()) next_ = end_;
  header.lsn = next_;
  header.incarnation = incarnation();
  header.previous_crc = crc_;
  const std::string batch = MakeBatch(header, pieces);
  std::string& image = images_[sequence_];
  const uint64_t offset = header.lsn - segment_.base_lsn;
  CHECK_LE(offset + batch.size(), segment_bytes_) << "the segment is full";
  image.replace(offset, batch.size(), batch);
  DecodeBatchHeader(AsBytes(batch), &header);
  batch_before_end_ = header.lsn + batch.size();
  end_ = next_ = batch_before_end_;
  crc_ = header.crc;
  return header;
}

BatchHeader LogBuilder::AddBatch(const std::vector<TestPiece>& pieces) {
  BatchHeader header;
  header.durable = DurableNow();
  header = Put(header, pieces);
  uint64_t at = kBatchHeaderBytes;
  for (const TestPiece& piece : pieces) {
    if (piece.piece == Piece::kWhole) expected_.push_back({header.lsn + at, piece.payload});
    at += FramedBytes(piece.payload.size());
  }
  return header;
}

BatchHeader LogBuilder::AddSeal() {
  BatchHeader header;
  header.flags = kBatchFlagSeal;
  header.durable = end_;
  return Put(header, {});
}

void LogBuilder::AddPassingSeal() {
  const Lsn end = end_, next = next_, before = batch_before_end_;
  const uint32_t crc = crc_;
  AddSeal();
  end_ = end, next_ = next, batch_before_end_ = before, crc_ = crc;
}

void LogBuilder::Trim() { images_[sequence_].resize(end_ - segment_.base_lsn); }

void LogBuilder::WriteTo(const std::string& directory) const {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".wal") std::filesystem::remove(entry.path());
  }
  for (const auto& [sequence, image] : images_) {
    WriteFile(directory + "/" + NameOf(sequence), image);
  }
}

void LogBuilder::WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  CHECK(file.good()) << path;
}

}  // namespace corewal
