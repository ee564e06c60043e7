// tools/log_counters.h: what the writers of a log did, summed over its shards.
#ifndef COREWAL_TOOLS_LOG_COUNTERS_H_
#define COREWAL_TOOLS_LOG_COUNTERS_H_

#include <cstdint>

#include "wal/log_writer.h"

namespace corewal {

struct LogCounters {
  uint64_t records = 0;
  uint64_t writes = 0;  // batches
  uint64_t bytes_written = 0;
  uint64_t syncs = 0;
  uint64_t segments_prepared = 0;
  uint64_t prepared_bytes = 0;
  uint64_t segments_ready = 0;

  static LogCounters Of(const LogWriterStats& stats) {
    return {stats.records,           stats.batches,        stats.batch_bytes,   stats.syncs,
            stats.segments_prepared, stats.prepared_bytes, stats.segments_ready};
  }
  LogCounters& operator+=(const LogCounters& more) {
    records += more.records;
    writes += more.writes;
    bytes_written += more.bytes_written;
    syncs += more.syncs;
    segments_prepared += more.segments_prepared;
    prepared_bytes += more.prepared_bytes;
    segments_ready += more.segments_ready;
    return *this;
  }
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_LOG_COUNTERS_H_
