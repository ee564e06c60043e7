// wal/batch_records.h: the records of one batch after another: whole ones in place, and those that
// span batches put together or handed out piece by piece.
//
//   Take(batch)   Next() -> record, record, kBatchDone   Take(batch after it) ...
//
// LogReader and LogFollower both stand on it. Only batches that kept every rule of FORMAT.md come
// here, in log order, so nothing is checked a second time.
// Thread: one at a time. Memory: one record, if records are in pieces and are put together.
#ifndef COREWAL_WAL_BATCH_RECORDS_H_
#define COREWAL_WAL_BATCH_RECORDS_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "wal/batch_scanner.h"
#include "wal/format.h"
#include "wal/little_endian.h"
#include "wal/lsn.h"

namespace corewal {

struct RecordView {
  Lsn lsn;  // of its framing (of its first piece)
  RecordType type = RecordType::kUser;
  Epoch epoch;
  absl::Span<const std::byte> payload;  // valid until the next call of Next()
  // Of a record that is handed out in pieces: where in it `payload` stands, and its whole length.
  // For any other record 0 and payload.size().
  uint64_t part_offset = 0;
  uint64_t whole_bytes = 0;

  bool whole() const { return payload.size() == whole_bytes; }
  bool last_part() const { return part_offset + payload.size() == whole_bytes; }
};

// A record that outlives the reader's buffers.
struct OwnedRecord {
  Lsn lsn;
  RecordType type = RecordType::kUser;
  Epoch epoch;
  std::string payload;

  OwnedRecord() = default;
  explicit OwnedRecord(const RecordView& view)
      : lsn(view.lsn),
        type(view.type),
        epoch(view.epoch),
        payload(reinterpret_cast<const char*>(view.payload.data()), view.payload.size()) {}
};

class BatchRecords {
 public:
  struct Options {
    Lsn from;                // records with lsn >= from
    Lsn to{UINT64_MAX};      // records with lsn < to
    bool pieces = false;     // a record that spans batches comes piece by piece
    bool user_only = false;  // passes over records of corewal's own types
    uint64_t bytes_max = 0;  // what a record that is put together can have at most
  };
  enum class Step : uint8_t { kRecord, kBatchDone, kLimit };

  explicit BatchRecords(const Options& options) : options_(options) {}

  // `batch` comes after the one before it and stays valid until the next Take.
  void Take(const ScannedBatch& batch);
  // Batches are missing before the next one: a record that is open is lost.
  void DropOpen() { assembling_ = false; }
  // What could be put together from files of this size in all; only grows.
  void AllowBytes(uint64_t bytes_max) {
    if (bytes_max > options_.bytes_max) options_.bytes_max = bytes_max;
  }

  // The common case of Next: false says nothing.
  bool NextWhole(RecordView* record) {
    // Only whole records lie before fast_end_, and their batch has been checked to the last byte.
    if (__builtin_expect(cursor_ >= fast_end_, 0)) return false;
    const uint32_t bits = LoadLe32(cursor_);
    const RecordFraming framing = RecordFraming::Decode(bits);
    if (__builtin_expect(!IsUserType(framing.type) && options_.user_only, 0)) return false;
    record->lsn = LsnAt(cursor_);
    record->type = framing.type;
    record->epoch = header_.epoch;
    record->payload = {cursor_ + kRecordFramingBytes, framing.length};
    record->part_offset = 0;
    record->whole_bytes = framing.length;
    cursor_ += FramedBytes(framing.length);
    return true;
  }
  Step Next(RecordView* record);

  const BatchHeader& header() const { return header_; }
  // A record has begun and its last piece has not come yet; its LSN.
  bool assembling() const { return assembling_; }
  Lsn open_lsn() const { return open_lsn_; }

 private:
  Lsn LsnAt(const std::byte* at) const {
    return header_.lsn + static_cast<uint64_t>(at - batch_begin_);
  }
  void LimitWholeRecords();  // sets cursor_ and fast_end_ by `from` and `to`
  Step TakePiece(RecordView* record, bool* got);
  Step BeginRecord(const RecordFraming& framing, RecordView* record, bool* got);
  void HandOut(const RecordFraming& framing, absl::Span<const std::byte> payload,
               uint64_t part_offset, RecordView* record) const;
  bool Wanted(RecordType type) const { return !options_.user_only || IsUserType(type); }

  Options options_;
  // In the batch: [cursor_, fast_end_) whole records, then up to records_end_ a first piece, or
  // what lies beyond `to`.
  const std::byte* cursor_ = nullptr;
  const std::byte* fast_end_ = nullptr;
  const std::byte* records_end_ = nullptr;
  const std::byte* last_piece_ = nullptr;
  const std::byte* batch_begin_ = nullptr;
  BatchHeader header_;

  bool assembling_ = false;
  Lsn open_lsn_;
  uint64_t whole_bytes_ = 0;  // of the open record
  uint64_t got_bytes_ = 0;
  std::string assembled_;
};

}  // namespace corewal

#endif  // COREWAL_WAL_BATCH_RECORDS_H_
