// engine/record_place.h: where a record is in an engine's log: its shard and its LSN there.
#ifndef COREWAL_ENGINE_RECORD_PLACE_H_
#define COREWAL_ENGINE_RECORD_PLACE_H_

#include <cstdint>
#include <utility>

#include "wal/lsn.h"

namespace corewal {

// Ordered by shard, then by LSN.
using RecordPlace = std::pair<uint32_t, Lsn>;

}  // namespace corewal

#endif  // COREWAL_ENGINE_RECORD_PLACE_H_
