// tests/sim/wal_simulation.h: one seeded life story of a log on a simulated disk.
//
// The real writer, recovery and reader run over SimDisk: appends of all sizes and kinds, records in
// parts, polls, waits, truncations, idle times, rolls, recycled files, disks that fill up, until
// the power fails or the process is killed at some action, in the middle of whatever it was; then
// the log is reopened with other settings, and so on. A LogOracle judges each recovery.
//
// A device that keeps its promises may be slow, reorder, tear sectors, write short, and report
// errors; whatever it does, the log must not lose what it acknowledged. A device that breaks them
// (`broken`) makes any log lose records: then losing is no problem, but it must be noticed, and
// nothing that was never appended may appear. A bit that rots in a closed log must be noticed; then
// the log may be opened all the same, cut there or going on behind it, and the story goes on.
//
// The same seed does the same to the byte: time, randomness and errors all come from the seed.
#ifndef COREWAL_TESTS_SIM_WAL_SIMULATION_H_
#define COREWAL_TESTS_SIM_WAL_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/seeded_random.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/sim/cursor_oracle.h"
#include "tests/sim/log_oracle.h"
#include "tests/sim/sim_follower.h"
#include "wal/log_reader.h"
#include "wal/log_writer.h"
#include "wal/recovery.h"

namespace corewal {

class WalSimulation {
 public:
  struct Totals {
    uint64_t lives = 0, appended = 0, recovered = 0, crashes = 0, rolls = 0, truncations = 0;
    uint64_t spanning = 0, seals = 0, followed = 0;
    uint64_t streamed = 0, given_up = 0;  // records that were given in parts
    uint64_t failures = 0;                // of a writer, by injected errors
    uint64_t rot_reported = 0;            // bits flipped in a closed log, and called damage
    uint64_t cuts = 0, holes = 0;         // of these, opened: cut there, or gone on with behind it
    uint64_t cursors_set = 0, cursors_invalidated = 0, limited = 0;
    uint64_t damage_reported = 0;  // of a broken device: the log noticed it
    uint64_t lost = 0;             // of a broken device: only the oracle did
    void Add(const Totals& other);
    std::string ToString() const;
  };

  // `broken`: the fault of a device that breaks its promises; of those that SimFault has.
  explicit WalSimulation(uint64_t seed, std::optional<SimFault> broken = std::nullopt);

  // Empty if all went well, else what did not.
  std::string Run();
  std::string Trace() const { return disk_.trace().ToString(); }
  // Of everything that happened, and of every durable byte at the end.
  uint64_t Digest() const;
  const Totals& totals() const { return totals_; }
  std::optional<SimFault> broken() const { return broken_; }

 private:
  // What has become of the log.
  enum class State : uint8_t {
    kWhole,
    kToBeCut,  // rotten; the opening that is to cut it there has not succeeded yet
    kHole,     // rotten, and gone on with
  };
  // A record that is open, to be given in parts.
  struct Parts {
    std::string payload;
    uint64_t given_bytes = 0;
    AppendOptions options;
  };
  // What a life does most of.
  enum class Style : uint8_t { kMixed, kSmall, kLarge, kTruncating, kIdle };

  void ChooseDisk();
  void ChooseSetting();
  void ChooseFaults();
  void Boot();
  void Shutdown();
  bool Good() const { return problem_.empty() && !over_; }
  bool Crashed() const { return disk_.crashes() != crashes_at_boot_; }
  void Problem(const std::string& what);
  // Of a call that failed: only a crash, an injected error, or a full disk may be the cause.
  bool Excused(const absl::Status& status) const;

  void Live();
  bool Recover();  // reads everything, asks the oracle, opens the writer; false: the life is over
  bool OpenWriter(const RecoveredLog& recovered);
  // Reads everything; false: it could not be read to an end that is no damage.
  bool Read(LogReaderOptions options, std::vector<LogOracle::Record>* records, absl::Status* end);
  bool ReadBack();
  void ReadFromTheMiddle();
  void Judged(const LogOracle::Verdict& verdict, const std::string& where);
  void CloseAndRot();
  void Rot();
  bool ReadRotten();
  bool GoOnWithRot(std::vector<LogOracle::Record> before, std::vector<LogOracle::Record> around);
  bool SyncEverything();
  std::string LiveImage();

  void Step();
  void Act(uint64_t dice);
  void ActIdly(uint64_t dice);
  void Append();
  void AppendBurst();
  void AppendSpanning();
  void BeginParts();
  void GoOnWithParts();
  void EndParts();
  void GiveUpParts();
  void AppendSeveral();
  void AppendInPlace();
  void Truncate();
  void MoveCursor();
  bool CheckCursorsFound();
  void CheckSize();
  void Idle(MonotonicNs until);
  void TookLsn(const absl::StatusOr<Lsn>& lsn, std::string payload, uint8_t type = 0);
  void StartFollower();
  void FollowSome();
  void Observe();  // what the writer says now
  std::string NewPayload();
  std::string MakePayload(uint64_t bytes);
  AppendOptions NewOptions();
  AppendCallback Callback(Durability durability);

  const uint64_t seed_;
  const std::optional<SimFault> broken_;
  SeededRandom random_;
  SimDisk disk_;
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<StorageIo> io_;
  bool buffer_lent_ = false;  // another user of the same storage has one of its few buffers
  BufferLease lent_buffer_;
  std::unique_ptr<LogWriter> writer_;
  std::optional<Parts> parts_;
  std::unique_ptr<SimFollower> follower_;
  Lsn followed_to_;  // by any of them
  StorageIoOptions io_options_;
  LogWriterOptions options_;
  LogOracle oracle_;
  CursorOracle cursors_;
  State state_ = State::kWhole;
  RecoveryMode damage_mode_ = RecoveryMode::kStrict;  // how it is opened then
  // Of the last reading.
  size_t skipped_ = 0;
  std::vector<LogOracle::LostRange> lost_;
  Lsn read_end_;
  uint64_t bytes_at_opening_ = 0;
  Style style_ = Style::kMixed;
  std::string problem_;
  bool over_ = false;  // a broken device has been found out
  Totals totals_;
  uint32_t crashes_at_boot_ = 0;
  bool errors_injected_ = false;
  bool stuck_ = false;  // operations may get stuck: nothing is waited for without a deadline
  uint64_t records_made_ = 0;
  Lsn last_called_back_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_WAL_SIMULATION_H_
