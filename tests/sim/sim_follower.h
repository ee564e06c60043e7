// tests/sim/sim_follower.h: a follower of the simulated log, with the questions that it is asked.
//
// It may be behind, be overtaken by truncation, and be started again where it was after a crash.
// What it hands out must be the history, without a gap, durable already, and never taken back.
#ifndef COREWAL_TESTS_SIM_SIM_FOLLOWER_H_
#define COREWAL_TESTS_SIM_SIM_FOLLOWER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"
#include "tests/sim/log_oracle.h"
#include "wal/log_follower.h"

namespace corewal {

class SimFollower {
 public:
  struct Result {
    std::string problem;  // empty: all is well
    absl::Status failed;  // not OK: reading failed, and who injects errors may excuse it
    uint64_t records = 0;
    bool over = false;  // no more can be had of this one
  };

  // `files` and `oracle` must outlive it, and whatever `options.durable` looks at.
  SimFollower(SimFileSystem& files, const std::string& directory, const LogOracle& oracle,
              const LogFollowerOptions& options);

  // Takes up to `records_max`.
  Result Follow(uint64_t records_max);
  // Where the next one may go on.
  Lsn position() const { return position_; }

 private:
  std::string Check(const RecordView& record);

  const LogOracle& oracle_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogFollower> follower_;  // null: it could not be opened
  absl::Status open_status_;
  const bool from_the_oldest_;
  Lsn position_;
  bool begun_ = false;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_SIM_FOLLOWER_H_
