// engine/engine_recovery.h: what recovery must find out over all shards together: which atomic
// batches are not complete, which epoch is.
//
// Thread: the caller's, which is that of `io`.
#ifndef COREWAL_ENGINE_ENGINE_RECOVERY_H_
#define COREWAL_ENGINE_ENGINE_RECOVERY_H_

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "engine/engine_state.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/recovery.h"

namespace corewal {

// Where one engine's logs are, and what was found in each.
struct RecoveredEngine {
  FileSystem* files = nullptr;
  std::string directory;
  const std::map<uint32_t, RecoveredLog>* logs = nullptr;
  DirectMode direct = DirectMode::kAuto;
};

struct AtomicFindings {
  std::set<RecordPlace> hidden;  // records of incomplete batches, none of them below the floors
  uint64_t records = 0;          // of atomic batches that were looked at
};
// Reads every shard from its floor on. Memory: what is above the floors of batches' names.
absl::StatusOr<AtomicFindings> FindIncompleteBatches(const RecoveredEngine& engine, StorageIo& io,
                                                     const EngineState& state);

// The last epoch whose barrier is durable on every shard that takes part.
Epoch LastCompleteEpoch(const std::map<uint32_t, RecoveredLog>& logs, const EngineState& state);
// The highest epoch that any shard has a trace of.
Epoch LastEpochSeen(const std::map<uint32_t, RecoveredLog>& logs, const EngineState& state);

// The shard's log was truncated beyond its barrier of `epoch`: nothing of it is left in that cut.
bool BeginsBeyondCut(const RecoveredLog& log, Epoch epoch);
// Parts of complete batches whose home lies beyond the cut `epoch`: they are not of it. Reads all.
absl::StatusOr<std::set<RecordPlace>> PartsBeyondCut(const RecoveredEngine& engine, StorageIo& io,
                                                     Epoch epoch);

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_RECOVERY_H_
