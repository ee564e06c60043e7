// tools/repair_run.h: wal-dump --repair: says what would be lost, and with --yes does it.
#ifndef COREWAL_TOOLS_REPAIR_RUN_H_
#define COREWAL_TOOLS_REPAIR_RUN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "tools/dump_target.h"
#include "tools/field_line.h"
#include "tools/output.h"

namespace corewal {

// Locks each of `directories`, which are to be repaired. InvalidArgument: one is no log directory.
// Unavailable: a writer has the log open, with its pid.
absl::StatusOr<std::vector<std::unique_ptr<DirectoryLock>>> LockForRepair(
    FileSystem& files, const std::vector<std::string>& directories);

// InvalidArgument: not the directory of a log, which is what has the lock.
absl::Status CheckRepairable(FileSystem& files, const std::vector<std::string>& directories);

struct RepairRunOptions {
  bool yes = false;  // else nothing is written
  FieldLine::Form form = FieldLine::Form::kText;
};

// One shard. True: its log is clean now. Prints the damage, what is lost, and each step.
// Errors: of reading and writing; see ApplyRepair.
absl::StatusOr<bool> RepairShard(FileSystem& files, StorageIo& io, const DumpTarget& target,
                                 const RepairRunOptions& options, Output* out);

}  // namespace corewal

#endif  // COREWAL_TOOLS_REPAIR_RUN_H_
