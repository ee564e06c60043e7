// benchmarks/peers/raw_scan.h: reads raw-group's log from its beginning, checks each CRC.
#ifndef COREWAL_BENCHMARKS_PEERS_RAW_SCAN_H_
#define COREWAL_BENCHMARKS_PEERS_RAW_SCAN_H_

#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/ring_file.h"

namespace corewal::peers {

// Adds each record up to the log's end: a sequence number or CRC that does not fit, a block that
// begins with zeros, or the end of the file. One thread, reads of 1 MiB.
void ScanRawLog(const RingFile& file, ReplayCheck* check);

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RAW_SCAN_H_
