// engine/engine_state.h: the file `state` in a log's directory: what the engine must know before it
// reads the shards.
//
//   corewal state
//   epochs 17 19 4           complete, void up to, shards that take part
//   floor 0 81920            atomic records of shard 0 below this LSN are decided ...
//   hidden 1 40964           ... and count, except those named
//   checkpoint 0 77824       shard 0's last checkpoint record stands at this LSN
//   crc 89abcdef
//
// Text, replaced as a whole. It exists once epochs, atomic batches or checkpoints were used; then
// it is as much a part of the log as the segments. Lines with unknown keys are ignored.
#ifndef COREWAL_ENGINE_ENGINE_STATE_H_
#define COREWAL_ENGINE_ENGINE_STATE_H_

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/record_place.h"
#include "io_backend/file_system.h"
#include "wal/lsn.h"

namespace corewal {

inline constexpr char kEngineStateFileName[] = "state";

struct EngineState {
  struct EpochsState {
    Epoch complete;       // the last complete one when this was written
    Epoch void_up_to;     // higher ones up to this were cut short by a crash and never count
    uint32_t shards = 0;  // that take part in those beyond
    friend bool operator==(const EpochsState&, const EpochsState&) = default;
  };
  std::optional<EpochsState> epochs;    // none: no epoch was ever advanced
  bool atomic = false;                  // atomic batches were used
  std::map<uint32_t, Lsn> floors;       // by shard; one without is 0
  std::set<RecordPlace> hidden;         // of batches that never became complete; below the floors
  std::map<uint32_t, Lsn> checkpoints;  // by shard

  Lsn floor(uint32_t shard) const {
    const auto found = floors.find(shard);
    return found == floors.end() ? Lsn() : found->second;
  }
  std::string Encode() const;
  // DataLoss: not such a file, its CRC is wrong, or a number is out of range.
  static absl::StatusOr<EngineState> Decode(absl::string_view text);
  friend bool operator==(const EngineState&, const EngineState&) = default;
};

// An empty state if the directory has none. Errors name the file.
absl::StatusOr<EngineState> ReadEngineState(FileSystem& files, const std::string& directory);
absl::Status WriteEngineState(FileSystem& files, const std::string& directory,
                              const EngineState& state);

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_STATE_H_
