// tools/record_source.h: where the records of a run come from: made up, or the lines of a file.
//
//   absl::Span<const std::byte> record;
//   while (source.Peek(&record)) {
//     if (log.Append(record).ok()) source.Take();     // else the same record is peeked again
//   }
//   RETURN_IF_ERROR(source.status());
//
// Peek is cheap to repeat; a record is made or found once. The bytes are valid until Take.
// Thread: one at a time.
#ifndef COREWAL_TOOLS_RECORD_SOURCE_H_
#define COREWAL_TOOLS_RECORD_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/length_distribution.h"
#include "tools/made_record.h"
#include "wal/lsn.h"

namespace corewal {

// A fingerprint of records in their order, for input that cannot be read a second time.
struct RecordDigest {
  uint64_t records = 0;
  uint32_t crc = 0;  // CRC-32C over each length and content

  void Add(absl::Span<const std::byte> record);
  friend bool operator==(const RecordDigest&, const RecordDigest&) = default;
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // The current record. False: there is none; status() says whether that is a good end.
  virtual bool Peek(absl::Span<const std::byte>* record) = 0;
  // Moves on to the next one.
  virtual void Take() = 0;
  // After a Peek that returned true: no record follows this one. May move the bytes: Peek again.
  virtual bool IsLast() = 0;
  virtual absl::Status status() const { return absl::OkStatus(); }

  // Of the current record, in its shard, from 1.
  uint64_t seq() const { return seq_; }

 protected:
  explicit RecordSource(uint64_t first_seq) : seq_(first_seq) {}
  uint64_t seq_;
};

// Endless; content by tools/made_record.h.
class MadeRecordSource final : public RecordSource {
 public:
  MadeRecordSource(ShardId shard, uint64_t first_seq, const LengthDistribution& lengths)
      : RecordSource(first_seq), shard_(shard), lengths_(lengths), buffer_(lengths.max()) {}

  bool Peek(absl::Span<const std::byte>* record) override {
    if (!made_) Make();
    *record = absl::MakeConstSpan(buffer_.data(), length_);
    return true;
  }
  void Take() override {
    made_ = false;
    ++seq_;
  }
  bool IsLast() override { return false; }

 private:
  void Make() {
    length_ = lengths_.At(shard_, seq_);
    MakeRecord(shard_, seq_, absl::MakeSpan(buffer_.data(), length_));
    made_ = true;
  }

  const ShardId shard_;
  const LengthDistribution lengths_;
  std::vector<std::byte> buffer_;
  size_t length_ = 0;
  bool made_ = false;
};

// One record a line, without its newline. An empty line is an empty record; a last line without a
// newline counts; an empty file has no record.
class InputRecordSource final : public RecordSource {
 public:
  static constexpr size_t kBufferBytes = 4u << 20;

  // "-" is standard input. `record_bytes_max`: a longer line is an error that names it.
  static absl::StatusOr<std::unique_ptr<InputRecordSource>> Open(const std::string& path,
                                                                 uint64_t first_seq,
                                                                 uint64_t record_bytes_max);
  ~InputRecordSource() override;

  bool Peek(absl::Span<const std::byte>* record) override;
  void Take() override;
  bool IsLast() override;
  absl::Status status() const override { return status_; }

  // Of a regular file; none for a pipe.
  std::optional<uint64_t> size_bytes() const { return size_bytes_; }
  uint64_t bytes_taken() const { return bytes_taken_; }
  // Of what was taken; kept for standard input only.
  const RecordDigest& digest() const { return digest_; }

 private:
  InputRecordSource(int fd, std::string path, uint64_t first_seq, uint64_t record_bytes_max);
  // Reads on behind what the buffer holds. False: end of input, error or interrupt.
  bool Fill();
  void Fail(absl::Status status);

  const int fd_;
  const std::string path_;
  const uint64_t record_bytes_max_;
  std::optional<uint64_t> size_bytes_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0;  // of the current line in the buffer
  size_t end_ = 0;    // of what the buffer holds
  size_t line_bytes_ = 0;
  bool found_ = false;    // the current line is [begin_, begin_ + line_bytes_)
  bool newline_ = false;  // and a newline follows it
  bool at_end_ = false;   // nothing more to read
  uint64_t line_ = 1;
  uint64_t bytes_taken_ = 0;
  RecordDigest digest_;
  absl::Status status_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_RECORD_SOURCE_H_
