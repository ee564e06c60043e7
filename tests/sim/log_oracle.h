// tests/sim/log_oracle.h: what a log was told, and what it must still know after a crash.
//
//   history   every record ever appended, in LSN order; what a crash lost is taken out
//   durable   acknowledged as durable up to here: survives everything
//   written   acknowledged as written up to here: survives the kill of a process
//   truncated records before this may be gone
//
// What is recovered must be the history from some record at or before `truncated` on, without gap
// or change, at least as far as was acknowledged, and nothing else.
#ifndef COREWAL_TESTS_SIM_LOG_ORACLE_H_
#define COREWAL_TESTS_SIM_LOG_ORACLE_H_

#include <algorithm>
#include <string>
#include <vector>

#include "wal/lsn.h"

namespace corewal {

class LogOracle {
 public:
  struct Record {
    Lsn lsn;
    std::string payload;
  };

  // Empty if all is well, else what is wrong; so below.
  std::string Appended(Lsn lsn, std::string payload);
  void Durable(Lsn end) { durable_ = std::max(durable_, end); }
  void Written(Lsn end) { written_ = std::max(written_, end); }
  void Truncated(Lsn before) { truncated_ = std::max(truncated_, before); }
  void PowerLost() { written_ = durable_; }

  std::string Recovered(const std::vector<Record>& recovered);
  // A log that was opened has made everything that it recovered durable.
  void Opened() {
    if (!history_.empty()) Durable(history_.back().lsn + 1);
    written_ = std::max(written_, durable_);
  }

  Lsn durable() const { return durable_; }
  const std::vector<Record>& history() const { return history_; }

 private:
  std::vector<Record> history_;
  Lsn durable_, written_, truncated_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_LOG_ORACLE_H_
