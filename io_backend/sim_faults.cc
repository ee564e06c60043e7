#include "io_backend/sim_faults.h"

namespace corewal {

absl::string_view SimFaultName(SimFault fault) {
  switch (fault) {
    case SimFault::kShortWrite:
      return "short_write";
    case SimFault::kShortForGood:
      return "short_for_good";
    case SimFault::kWriteEio:
      return "write_eio";
    case SimFault::kSyncEio:
      return "sync_eio";
    case SimFault::kReadEio:
      return "read_eio";
    case SimFault::kEnospc:
      return "enospc";
    case SimFault::kLateCompletion:
      return "late_completion";
    case SimFault::kReorder:
      return "reorder";
    case SimFault::kLyingSync:
      return "lying_sync";
    case SimFault::kLostDirectoryEntry:
      return "lost_directory_entry";
    case SimFault::kMisdirectedWrite:
      return "misdirected_write";
    case SimFault::kBitRot:
      return "bit_rot";
    case SimFault::kTornSector:
      return "torn_sector";
    case SimFault::kStuck:
      return "stuck";
  }
  return "unknown";
}

}  // namespace corewal
