// tools/log_repair.h: ends a shard's damaged log before its first damage, keeping all there was.
//
//   before  1.wal   2.wal  whole | damage | rest    3.wal           4.wal (prepared ahead)
//   after   1.wal   2.wal  whole                    3.wal.damaged   4.wal
//                   2.wal.damaged, a copy
//
// Order: copy and sync, cut, then move later files away from the last one on. Whoever is
// interrupted in between leaves a log that is still damaged at the same place, and may start over.
// A backup never takes a name that is taken: NAME.damaged, NAME.damaged-2, ...
// Requires: the log's lock is held. Thread: that of `io`.
#ifndef COREWAL_TOOLS_LOG_REPAIR_H_
#define COREWAL_TOOLS_LOG_REPAIR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "tools/lost_records.h"
#include "wal/log_end.h"

namespace corewal {

struct RepairStep {
  enum class Kind : uint8_t { kCut, kMove } kind = Kind::kCut;
  std::string path;
  uint64_t size_bytes = 0;  // of the file
  uint64_t offset = 0;      // kCut: the file's new size
  std::string backup;       // kCut: a copy of the whole; kMove: the new name

  std::string ToString() const;
};

struct RepairPlan {
  LogEndReport end;      // nothing to do unless it is kDamaged
  uint64_t records = 0;  // before the damage
  LostRecords lost;
  std::vector<RepairStep> steps;  // in the order in which they must be taken

  bool needed() const { return end.end == LogEnd::kDamaged; }
};

// Reads the whole of the shard's log. Writes nothing. Errors: of reading.
absl::StatusOr<RepairPlan> PlanRepair(FileSystem& files, StorageIo& io,
                                      const std::string& directory);

// Takes the steps. ResourceExhausted: no room for the copy; nothing has changed then. Other errors
// name the file; what was done before stays done, and no byte is lost.
absl::Status ApplyRepair(FileSystem& files, const RepairPlan& plan);

}  // namespace corewal

#endif  // COREWAL_TOOLS_LOG_REPAIR_H_
