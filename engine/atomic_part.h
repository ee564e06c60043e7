// engine/atomic_part.h: one record of an atomic batch, as the caller hands it in.
#ifndef COREWAL_ENGINE_ATOMIC_PART_H_
#define COREWAL_ENGINE_ATOMIC_PART_H_

#include <cstddef>

#include "absl/types/span.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

// The first part of a batch is its home.
struct AtomicPart {
  ShardId shard{};
  absl::Span<const std::byte> payload;
  RecordType type = RecordType::kUser;  // the user's types: 0 .. 127
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ATOMIC_PART_H_
