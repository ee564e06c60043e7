// tests/wal/log_builder.h: writes logs byte by byte, valid ones and ones that break a rule.
//
//   LogBuilder log;
//   log.StartSegment();
//   log.AddBatch({"one", "two"});
//   log.Seal();
//   log.image(1)[4096 + 70] ^= 1;
//   log.WriteTo(directory);
//
// Uses the codec for what is valid; what is not is patched in afterwards.
#ifndef COREWAL_TESTS_WAL_LOG_BUILDER_H_
#define COREWAL_TESTS_WAL_LOG_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

// One piece as it stands in a batch.
struct TestPiece {
  std::string payload;
  Piece piece = Piece::kWhole;
  RecordType type = RecordType::kUser;

  TestPiece(const char* text) : payload(text) {}             // NOLINT: for brace lists
  TestPiece(std::string text) : payload(std::move(text)) {}  // NOLINT
  TestPiece(std::string text, Piece p, RecordType t = RecordType::kUser)
      : payload(std::move(text)), piece(p), type(t) {}
  // kFirst: the whole length, then `data`.
  static TestPiece First(uint64_t whole_bytes, absl::string_view data);
};

absl::Span<const std::byte> AsBytes(const std::string& text);
std::string Text(absl::Span<const std::byte> bytes);
LogUuid TestUuid(uint8_t fill = 0xa5);
Incarnation TestIncarnation(uint32_t count, uint32_t random = 0x5eed);

// A whole batch; length_bytes, records_bytes and record_count of `header` are filled in.
std::string MakeBatch(BatchHeader header, const std::vector<TestPiece>& pieces);
std::string MakeSegmentHeader(const SegmentHeader& header);

// Makes both CRCs right again after a test changed bytes of the batch at `batch` (its length_bytes
// are read from it). Written from FORMAT.md, not from the codec.
void FixBatchCrcs(char* batch);
void FixBatchHeaderCrc(char* batch);    // the header's only
void FixSegmentHeaderCrc(char* block);  // of 4096 bytes
void Put32(char* at, uint32_t value);
void Put64(char* at, uint64_t value);
uint32_t Get32(const char* at);

class LogBuilder {
 public:
  explicit LogBuilder(uint64_t segment_bytes = 64 << 10) : segment_bytes_(segment_bytes) {}

  // Starts the next segment; its header says where the log before it ended.
  void StartSegment();
  // A batch at the end of the log. Its `durable` is the end of the batch before it, unless held.
  BatchHeader AddBatch(const std::vector<TestPiece>& pieces);
  BatchHeader AddSeal();
  // A seal that the next batch, or the next segment, of this opening will pass over.
  void AddPassingSeal();
  // The next StartSegment is of a new opening of the log.
  void Reopen() { ++incarnation_count_; }
  // Headers from now on say this durable LSN, until LetDurableGo().
  void HoldDurable(Lsn durable) { held_ = durable, holding_ = true; }
  void LetDurableGo() { holding_ = false; }
  // The next batch or segment chains to this position instead of the log's true end.
  void RewindTo(Lsn end, uint32_t crc) { end_ = batch_before_end_ = end, crc_ = crc; }

  Lsn end() const { return end_; }  // behind the last batch
  uint32_t last_crc() const { return crc_; }
  Incarnation incarnation() const { return TestIncarnation(incarnation_count_); }
  uint64_t sequence() const { return sequence_; }
  const SegmentHeader& segment_header() const { return segment_; }
  Lsn base(uint64_t sequence) const { return Lsn((sequence - 1) * segment_bytes_); }

  // The file of a segment: segment_bytes long until a test changes that.
  std::string& image(uint64_t sequence) { return images_[sequence]; }
  // Cuts the current segment's file to its used length, as a clean close does.
  void Trim();
  void RemoveSegment(uint64_t sequence) { images_.erase(sequence); }
  void AddPreparedSegment(uint64_t sequence) { images_[sequence].assign(segment_bytes_, '\0'); }

  // (Over)writes the files, and removes segment files that are not in this log.
  void WriteTo(const std::string& directory) const;
  static void WriteFile(const std::string& path, const std::string& content);

  // Whole records appended so far, in order, with their LSNs. Pieces are not in it.
  struct Expected {
    Lsn lsn;
    std::string payload;
  };
  const std::vector<Expected>& expected() const { return expected_; }

 private:
  Lsn DurableNow() const { return holding_ ? held_ : batch_before_end_; }
  BatchHeader Put(BatchHeader header, const std::vector<TestPiece>& pieces);

  uint64_t segment_bytes_;
  uint32_t incarnation_count_ = 1;
  uint64_t sequence_ = 0;
  SegmentHeader segment_;
  Lsn end_;
  Lsn next_;  // where the next batch goes
  Lsn batch_before_end_;
  uint32_t crc_ = 0;
  Lsn held_;
  bool holding_ = false;
  std::map<uint64_t, std::string> images_;
  std::vector<Expected> expected_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_LOG_BUILDER_H_
