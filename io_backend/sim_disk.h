// io_backend/sim_disk.h: a seeded disk with files, simulated time, faults and power losses.
//
//   SimDisk disk(seed);
//   auto files = std::make_unique<SimFileSystem>(disk);          // one "process"
//   ASSIGN_OR_RETURN(auto io, SimStorageIo::Create(*files, {}));
//   ... run real code over *files, *io and disk.clock() ...
//   disk.Crash(SimCrash::kPowerLoss);                             // *files and *io are dead now
//   then make new ones and see what they find
//
// Deterministic: the same seed and the same calls give the same bytes, the same order of
// completions and the same failures; nothing depends on addresses, wall time or the host's disk.
//
// The model, as harsh as the kernel's promises allow:
//   - A write takes effect (reads see it, the page cache's view) when it completes, late and in any
//     order; a DSYNC write is durable then.
//   - A sync makes durable exactly the writes, preallocations and sizes whose completions had been
//     polled before it was staged (DESIGN R1; of another StorageIo: that had completed before it
//     was submitted). What was merely in flight is left to chance.
//   - Directory changes: see sim_names.h. Sectors at a power loss: see sim_file.h.
//   - Blocks of 4096 bytes are charged to the capacity until nothing durable can name the file.
// Thread: one for the disk and everything over it.
#ifndef COREWAL_IO_BACKEND_SIM_DISK_H_
#define COREWAL_IO_BACKEND_SIM_DISK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/seeded_random.h"
#include "io_backend/sim_choices.h"
#include "io_backend/sim_faults.h"
#include "io_backend/sim_file.h"
#include "io_backend/sim_names.h"
#include "io_backend/sim_timeline.h"
#include "io_backend/sim_trace.h"

namespace corewal {

struct SimDiskOptions {
  struct Latency {
    MonotonicNs min_ns, max_ns;
  };
  uint64_t capacity_bytes = 1ull << 30;
  uint64_t file_bytes_max = 256ull << 20;  // beyond: EFBIG
  Latency transfer = {20'000, 400'000};    // writes, reads, preallocations
  Latency sync = {50'000, 2'000'000};
};

enum class SimCrash : uint8_t {
  kPowerLoss,    // what was not durable is kept or lost, sector by sector, in flight or not
  kProcessKill,  // all that completed stays, and a part of what was in flight
};

class SimDisk {
 public:
  static constexpr uint64_t kBlockBytes = 4096;

  struct Inode {
    uint64_t number = 0;
    bool directory = false;
    uint32_t open_count = 0;
    SimFile file;
    std::set<uint64_t> blocks;  // charged to the capacity
  };
  // What dies in a crash: file systems and storages.
  class Process {
   public:
    virtual void OnCrash(SimCrash mode) = 0;

   protected:
    ~Process() = default;
  };
  // What a sync covers.
  struct SyncScope {
    uint64_t storage = 0;    // the one that syncs
    uint64_t polled = 0;     // completions that it had handed out when the sync was staged
    uint64_t completed = 0;  // completed_writes() when it was submitted
    uint64_t names = 0;      // names().changes() then; for a directory
  };

  explicit SimDisk(uint64_t seed, const SimDiskOptions& options = {});
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // For the simulation.
  const Clock& clock() const { return timeline_; }
  SimFaults& faults() { return faults_; }
  const SimTrace& trace() const { return trace_; }
  void Trace(std::string action) { trace_.Add(std::move(action)); }
  void Crash(SimCrash mode);
  // Crashes by itself right before the action `actions` from now: anywhere, also inside a call.
  void CrashAfter(uint64_t actions, SimCrash mode);
  void CancelCrash() { crash_at_ = UINT64_MAX; }
  // Who decides from now on what a power loss keeps; it must outlive the disk.
  void set_choices(SimChoices* choices) { choices_ = choices; }
  SimChoices& choices() { return *choices_; }
  uint32_t crashes() const { return crashes_; }
  SimCrash last_crash() const { return last_crash_; }
  uint64_t actions() const { return actions_; }
  void ReleaseStuck();
  void set_capacity_bytes(uint64_t bytes) { capacity_bytes_ = bytes; }
  uint64_t free_bytes() const;

  // What is on the disk: every durable name with its size and bytes. Comparable.
  std::string DurableImage() const;
  uint64_t UnsyncedSectors(const std::string& path) const;  // of a file that exists
  void FlipBit(const std::string& path, uint64_t offset, uint32_t bit);

  // For SimFileSystem and SimStorageIo.
  const SimDiskOptions& options() const { return options_; }
  SeededRandom& random() { return random_; }
  bool Strike(SimFault fault);
  SimTimeline& timeline() { return timeline_; }
  SimNames& names() { return names_; }
  void Attach(Process* process) { processes_.push_back(process); }
  void Detach(Process* process);
  // Before each action: the crash that was asked for may come.
  void Step();

  Inode* Find(const std::string& path);  // null: no such entry
  Inode* Get(uint64_t number);
  Inode& Create(bool directory);  // unnamed as yet
  void DropUnreferenced();

  // Charges the blocks of [offset, offset + length); returns how many bytes from `offset` on have
  // their blocks now.
  uint64_t Charge(Inode& inode, uint64_t offset, uint64_t length);
  void ReleaseBeyond(Inode& inode, uint64_t size);

  uint64_t NewStorage() { return ++storages_; }
  uint64_t NewWrite() { return ++writes_; }
  // `order`: the how manyth completion of that storage it is.
  void WriteCompleted(uint64_t write_id, uint64_t storage, uint64_t order);
  SyncScope ScopeOfNow(uint64_t storage, uint64_t polled) const {
    return {storage, polled, completed_writes_, names_.changes()};
  }
  // Of a file or directory. 0 or an errno value.
  int Sync(Inode& inode, const SyncScope& scope);
  void HoldStuck(SimTimeline::Listener* listener, uint32_t slot);
  void DropStuck(const SimTimeline::Listener* listener);

  // Locks, by path. 0: free.
  uint64_t LockHolder(const std::string& path) const;
  void SetLock(const std::string& path, uint64_t holder);

 private:
  struct CompletedWrite {
    uint64_t storage;
    uint64_t order;
    uint64_t number;  // among all completed writes
  };
  bool Covers(const SyncScope& scope, uint64_t write_id) const;
  void LosePower();

  const SimDiskOptions options_;
  SeededRandom random_;
  SeededChoices seeded_choices_{random_};
  SimChoices* choices_ = &seeded_choices_;
  SimFaults faults_;
  SimTrace trace_;
  SimTimeline timeline_;
  SimNames names_;
  std::map<uint64_t, std::unique_ptr<Inode>> inodes_;
  uint64_t last_inode_ = SimNames::kRoot;
  uint64_t capacity_bytes_;
  uint64_t charged_blocks_ = 0;

  std::vector<Process*> processes_;
  std::map<std::string, uint64_t> locks_;
  std::vector<std::pair<SimTimeline::Listener*, uint32_t>> stuck_;
  std::map<uint64_t, CompletedWrite> completed_;
  uint64_t storages_ = 0;
  uint64_t writes_ = 0;
  uint64_t completed_writes_ = 0;

  uint64_t actions_ = 0;
  uint64_t crash_at_ = UINT64_MAX;
  SimCrash crash_mode_ = SimCrash::kPowerLoss;
  uint32_t crashes_ = 0;
  SimCrash last_crash_ = SimCrash::kPowerLoss;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_DISK_H_
