// tools/dump_filter.h: which records the user asked to see.
//
// A shard is skipped whole, `from` and `to` bound what is read, the rest is asked of each record.
#ifndef COREWAL_TOOLS_DUMP_FILTER_H_
#define COREWAL_TOOLS_DUMP_FILTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "wal/log_reader.h"
#include "wal/lsn.h"

namespace corewal {

struct DumpFilter {
  std::optional<ShardId> shard;
  Lsn from;                           // records with lsn >= from
  Lsn to{UINT64_MAX};                 // records with lsn < to
  std::optional<Epoch> epoch;         // records of this epoch
  uint64_t records_max = UINT64_MAX;  // over all shards
  std::string grep;                   // records whose payload contains these bytes; empty: all

  bool WantsShard(ShardId s) const { return !shard.has_value() || *shard == s; }
  // Asks for epoch and grep only: the reader keeps to `from` and `to`.
  bool WantsRecord(const RecordView& record) const;
  // Some of a shard's records may not be read at all.
  bool cuts() const { return from > Lsn(0) || to < Lsn(UINT64_MAX); }
  bool picks() const { return epoch.has_value() || !grep.empty() || records_max != UINT64_MAX; }
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_DUMP_FILTER_H_
