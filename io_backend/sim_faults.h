// io_backend/sim_faults.h: the faults of the simulated disk, by name; all off by default.
//
// Each has opportunities, counted from 1, and strikes by a seeded probability or at scripted ones:
//
//   disk.faults().Set(SimFault::kWriteEio, {.per_million = 2000});
//   disk.faults().Set(SimFault::kSyncEio, {.at = {3}});   // the third sync fails
//
// Thread: that of the SimDisk.
#ifndef COREWAL_IO_BACKEND_SIM_FAULTS_H_
#define COREWAL_IO_BACKEND_SIM_FAULTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>

#include "absl/strings/string_view.h"
#include "base/seeded_random.h"

namespace corewal {

enum class SimFault : uint8_t {
  kShortWrite,          // per write: the device takes a part; the rest is tried again inside
  kShortForGood,        // per write: takes a part, then nothing more: EIO
  kWriteEio,            // per write: EIO; any of its sectors may have been taken
  kSyncEio,             // per sync: EIO; what was unsynced is lost or not, later syncs succeed
  kReadEio,             // per read: EIO
  kEnospc,              // per write, preallocation, created file: ENOSPC, whatever the capacity
  kLateCompletion,      // per operation: takes a hundred times as long
  kReorder,             // per operation: overtakes everything submitted before
  kLyingSync,           // per file sync and DSYNC write: succeeds without having synced
  kLostDirectoryEntry,  // per directory sync: succeeds without having synced
  kMisdirectedWrite,    // per write: lands in another block of the file, and succeeds
  kBitRot,              // per file sync: afterwards a bit of the file's durable image is flipped
  kTornSector,          // per unsynced sector kept at a power loss: part old, part new
  kStuck,               // per operation: no completion until SimDisk::ReleaseStuck
};
inline constexpr size_t kSimFaults = static_cast<size_t>(SimFault::kStuck) + 1;
absl::string_view SimFaultName(SimFault fault);  // "short_write", "write_eio", ...

struct SimFaultRule {
  uint32_t per_million = 0;    // of its opportunities
  std::set<uint64_t> at = {};  // these opportunities, counted from 1 since the rule was set
};

class SimFaults {
 public:
  void Set(SimFault fault, SimFaultRule rule) { Of(fault) = {std::move(rule), 0, 0}; }
  void AllOff() { states_ = {}; }

  // An opportunity: does it strike? Draws from `random` only if that is left to chance.
  bool Strike(SimFault fault, SeededRandom& random) {
    State& state = Of(fault);
    const bool scripted = state.rule.at.count(++state.opportunities) > 0;
    if (!scripted && !random.Chance(state.rule.per_million)) return false;
    ++state.strikes;
    return true;
  }
  uint64_t strikes(SimFault fault) const { return states_[static_cast<size_t>(fault)].strikes; }

 private:
  struct State {
    SimFaultRule rule;
    uint64_t opportunities = 0;
    uint64_t strikes = 0;
  };
  State& Of(SimFault fault) { return states_[static_cast<size_t>(fault)]; }

  std::array<State, kSimFaults> states_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_FAULTS_H_
