// tests/sim/engine_simulation.h: one seeded life story of an engine with several shards on a
// simulated disk.
//
// The real engine runs over SimDisk on one thread (Threads::kHost): plain appends by message and
// direct, atomic batches, epochs, truncations, cursors, each shard polled at its own pace, until
// the power fails or the process is killed at some action; then it is reopened, sometimes on a full
// disk, and so on. In some lives a write or sync fails, and a shard with it. After each opening is
// checked, with everything that was told before:
//
//   O1  per shard, the plain records are a prefix of what was accepted, with all that was answered
//       (direct appends overtake messages, so each kind for itself)
//   O2  of an atomic batch all records are there or none; all if it was answered; and so for good
//   O3  the recovered epoch is at least the one that was published as durable
//   O4  the cut of the recovered epoch holds every plain record accepted before the epoch was
//       closed, and if it holds one, every plain record accepted before that, on any shard
//   O5  nothing appears that was never appended, that was refused, twice, or out of order
//   O6  an epoch that a crash cut short does not become complete later
//   O7  cursors are as they were told to be, and hold back what they need
//   O8  left alone, all that was accepted is answered, and every closed epoch becomes durable
//   unless
//       a shard has failed; a failed shard takes no other with it
//
// Everything happens on one thread, so "accepted before" is one order over all shards.
#ifndef COREWAL_TESTS_SIM_ENGINE_SIMULATION_H_
#define COREWAL_TESTS_SIM_ENGINE_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/seeded_random.h"
#include "engine/engine.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"

namespace corewal {

class EngineSimulation {
 public:
  struct Totals {
    uint64_t lives = 0, crashes = 0, records = 0, batches = 0, incomplete = 0, epochs = 0;
    uint64_t truncations = 0, cuts_checked = 0, cursors = 0;
    uint64_t failed_shards = 0, full_openings = 0, drained = 0;
    void Add(const Totals& other);
    std::string ToString() const;
  };

  explicit EngineSimulation(uint64_t seed);

  // Empty if all went well, else what did not.
  std::string Run();
  // The same short story every time, cut off before its action `crash_at` (0: never); then what
  // recovery finds. `actions` says how many there are.
  std::string RunScript(uint64_t crash_at, SimCrash mode, uint64_t* actions);
  std::string Trace() const { return disk_.trace().ToString(); }
  const Totals& totals() const { return totals_; }

 private:
  enum class Fate : uint8_t { kUnknown, kAnswered, kRefused, kLost, kSurvived };
  // One record; those of one atomic batch have the same `batch`, from 1.
  struct Record {
    uint32_t shard = 0;
    uint64_t batch = 0;
    bool direct = false;  // by the host, past the messages that wait
    Fate fate = Fate::kUnknown;
    Lsn lsn;                   // if answered or found
    bool may_be_gone = false;  // truncated
  };
  // Of one shard, by name.
  using Cursors = std::map<std::string, Lsn>;
  // What a life is made of: of everything; records that fill segments; plain records alone.
  enum class Style : uint8_t { kMixed, kLarge, kPlain };
  using Found = std::vector<std::vector<uint64_t>>;  // by shard: the numbers of the records found

  void ChooseSetting();
  bool Good() const { return problem_.empty(); }
  bool Crashed() const { return disk_.crashes() != crashes_at_boot_; }
  void Problem(const std::string& what);
  void Live(uint64_t steps);
  void Die();
  bool Boot();  // false: the life is over
  absl::Status Open();
  bool Check();
  bool ReadShards(Found* found);
  void CheckShards(const Found& found);
  void CheckBatches(const Found& found);
  void CheckCut();
  void CheckCursors();
  void CheckFailures();
  bool Failed(uint32_t shard) const { return !shards_[shard]->writer().failure().ok(); }
  bool AnyFailed() const;
  // Whether an error may be due to what was done to the disk in this life.
  bool Struck() { return disk_.faults().strikes(fault_) > 0; }
  void TakeOver(const Found& found);

  void Step();
  void Append(uint32_t shard, bool direct, uint64_t bytes);
  void AppendAtomically(const std::vector<std::pair<uint32_t, uint64_t>>& parts);
  void AdvanceEpoch();
  void Truncate(uint32_t shard);
  void MoveCursor(uint32_t shard);
  void ExpectCursors(uint32_t shard, const absl::Status& changed);
  Lsn CursorFloor(uint32_t shard) const;
  void Drain();
  void CollectAnswers();
  void Poll(uint32_t shard);
  void PollAll(int rounds);
  std::string NewPayload(uint64_t number, uint64_t bytes) const;
  uint64_t NumberOf(absl::Span<const std::byte> payload);
  uint64_t RandomBytes();

  SeededRandom random_;
  SimDisk disk_;
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<Engine> engine_;
  std::vector<Shard*> shards_;
  EngineOptions options_;
  std::string problem_;
  Totals totals_;
  uint32_t crashes_at_boot_ = 0;
  Style style_ = Style::kMixed;
  bool full_at_open_ = false;
  SimFault fault_ = SimFault::kSyncEio;  // the one that strikes once in this life, if any does

  std::vector<Record> records_{1};  // by number, in the order in which they were accepted
  uint64_t batches_ = 0;
  std::vector<std::pair<uint64_t, AppendFuture>> pending_;  // atomic batches that are not answered
  std::set<uint64_t> answered_batches_, lost_batches_, refused_batches_;
  uint64_t unanswered_ = 0;                 // plain records of this life
  std::map<uint64_t, uint64_t> closed_at_;  // epoch -> first record number accepted after it closed
  uint64_t published_epoch_ = 0;
  uint64_t last_closed_ = 0;  // in this life
  std::set<uint64_t> cut_short_;
  std::vector<Cursors> cursors_{4};     // by shard
  std::vector<Cursors> cursors_if_{4};  // if the last change took effect, which nobody was told
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_ENGINE_SIMULATION_H_
