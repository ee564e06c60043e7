// tools/made_record.h: the records that wal-bench makes up and wal-dump --check_acks knows again.
//
// The content is a function of shard, sequence and length alone, so whoever knows which record it
// should be can tell whether it is that one, whole and unchanged:
//
//   00007/00000000000012345 hq_c~vx{...
//   shard / seq, 24 bytes   pseudo-random bytes '_' .. '~', chosen by shard, seq and length
//
// A record shorter than the 24 bytes is their end without the space: it keeps the sequence's last
// digits. Every byte is printable ASCII and needs no escaping.
// Thread: any. Nothing is allocated.
#ifndef COREWAL_TOOLS_MADE_RECORD_H_
#define COREWAL_TOOLS_MADE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "wal/lsn.h"

namespace corewal {

inline constexpr size_t kMadeNameBytes = 24;  // with the space

// Fills all of `out` with record `seq` (from 1, at most 17 digits) of `shard`.
void MakeRecord(ShardId shard, uint64_t seq, absl::Span<std::byte> out);

// Whether `payload` is what MakeRecord makes for this shard, sequence and payload's own length.
// Of a payload shorter than kMadeNameBytes only the digits in it can be compared; an empty one is
// always right.
bool VerifyMadeRecord(ShardId shard, uint64_t seq, absl::Span<const std::byte> payload);

struct MadeRecordName {
  ShardId shard{};
  uint64_t seq = 0;
};
// Which record `payload` is, if it is a whole and unchanged made record; for messages that say what
// was found in another's place.
std::optional<MadeRecordName> IdentifyMadeRecord(absl::Span<const std::byte> payload);

}  // namespace corewal

#endif  // COREWAL_TOOLS_MADE_RECORD_H_
