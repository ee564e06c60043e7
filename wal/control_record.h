// wal/control_record.h: what corewal's own records say (types 128 and up). FORMAT.md, "Records of
// corewal's own".
//
//   epoch barrier  a cut: the shard's records before it belong to `epoch` or an earlier one
//   checkpoint     the user's own state holds everything of this shard below `lsn`
//   atomic part    one record of a batch over shards; counts only if its home is there
//   atomic home    the batch's record that names all the others; counts only if they are there
//
// A reader that does not ask for them passes over the first two; the engine's replay hands out the
// last two as the user's records that they carry.
#ifndef COREWAL_WAL_CONTROL_RECORD_H_
#define COREWAL_WAL_CONTROL_RECORD_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

// Decode gives nothing for bytes that Encode could not have made. The payload handed in must
// outlive what is decoded from it.

struct EpochBarrierRecord {
  Epoch epoch;
  uint32_t shards = 0;  // that take part in it: 0 .. shards - 1

  std::string Encode() const;
  static std::optional<EpochBarrierRecord> Decode(absl::Span<const std::byte> payload);
};

struct CheckpointRecord {
  Lsn lsn;
  absl::Span<const std::byte> note;  // the user's

  std::string Encode() const;
  static std::optional<CheckpointRecord> Decode(absl::Span<const std::byte> payload);
};

// Never used twice in a log: the opening's random number, and a count within it.
struct AtomicBatchId {
  uint64_t opening = 0;
  uint64_t number = 0;
  friend auto operator<=>(const AtomicBatchId&, const AtomicBatchId&) = default;
};

struct AtomicPartRecord {
  AtomicBatchId id;
  ShardId home{};
  RecordType type = RecordType::kUser;  // the user's
  absl::Span<const std::byte> payload;  // the user's

  std::string EncodePrefix() const;  // the user's payload comes behind it
  static std::optional<AtomicPartRecord> Decode(absl::Span<const std::byte> payload);
};

struct AtomicHomeRecord {
  struct Part {
    ShardId shard{};
    Lsn lsn;
    friend bool operator==(const Part&, const Part&) = default;
  };
  AtomicBatchId id;
  RecordType type = RecordType::kUser;
  std::vector<Part> parts;  // without the home itself
  absl::Span<const std::byte> payload;

  std::string Encode() const;
  static std::optional<AtomicHomeRecord> Decode(absl::Span<const std::byte> payload);
};

}  // namespace corewal

#endif  // COREWAL_WAL_CONTROL_RECORD_H_
