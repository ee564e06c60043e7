// tests/sim/wal_simulation.h: one seeded life story of a log on a simulated disk.
//
// The real writer, recovery and reader run over SimDisk: appends of all sizes and kinds, polls,
// waits, truncations, idle times, rolls, disks that fill up, until the power fails or the process
// is killed at some action, in the middle of whatever it was; then the log is reopened, and so on.
// A LogOracle judges each recovery.
#ifndef COREWAL_TESTS_SIM_WAL_SIMULATION_H_
#define COREWAL_TESTS_SIM_WAL_SIMULATION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/seeded_random.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/sim/log_oracle.h"
#include "wal/log_writer.h"

namespace corewal {

class WalSimulation {
 public:
  struct Totals {
    uint64_t lives = 0, appended = 0, recovered = 0, crashes = 0, rolls = 0, truncations = 0;
    uint64_t failures = 0;  // of a writer, by injected errors
  };

  explicit WalSimulation(uint64_t seed);

  // Empty if all went well, else what did not.
  std::string Run();
  std::string Trace() const { return disk_.trace().ToString(); }
  const Totals& totals() const { return totals_; }

 private:
  void ChooseSetting();
  void ChooseFaults();
  void Boot();
  void Shutdown();
  bool Good() const { return problem_.empty(); }
  bool Crashed() const { return disk_.crashes() != crashes_at_boot_; }
  void Problem(const std::string& what);
  // Of a call that failed: only a crash, an injected error, or a full disk may be the cause.
  bool Excused(const absl::Status& status) const;

  void Live();
  bool Recover();  // reads everything, asks the oracle, opens the writer; false: the life is over
  bool ReadBack();
  void Step();
  void Append();
  void AppendSeveral();
  void AppendInPlace();
  void Truncate();
  void Idle(MonotonicNs until);
  void TookLsn(const absl::StatusOr<Lsn>& lsn, std::string payload);
  void Observe();  // what the writer says now
  std::string NewPayload();
  AppendCallback Callback(Durability durability);

  const uint64_t seed_;
  SeededRandom random_;
  SimDisk disk_;
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogWriter> writer_;
  StorageIoOptions io_options_;
  LogWriterOptions options_;
  LogOracle oracle_;
  std::string problem_;
  Totals totals_;
  uint32_t crashes_at_boot_ = 0;
  bool errors_injected_ = false;
  uint64_t records_made_ = 0;
  Lsn last_called_back_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_WAL_SIMULATION_H_
