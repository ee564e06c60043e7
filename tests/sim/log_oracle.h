// tests/sim/log_oracle.h: what a log was told, and what it must still know after a crash.
//
//   history   every record ever appended, in LSN order; what a crash lost is taken out
//   durable   acknowledged as durable up to here: survives everything
//   written   acknowledged as written up to here: survives the kill of a process
//   truncated records before this may be gone, but for those that a cursor holds back
//
// What is recovered must be the history from some record at or before `truncated` on, without gap
// or change, at least as far as was acknowledged, and nothing else. Of a log that has been damaged
// only what the damage hides may be missing, and whoever reads on behind it must be told so; what
// recovery had dropped from a torn tail may be there again.
#ifndef COREWAL_TESTS_SIM_LOG_ORACLE_H_
#define COREWAL_TESTS_SIM_LOG_ORACLE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wal/lsn.h"

namespace corewal {

class LogOracle {
 public:
  struct Record {
    Lsn lsn;
    std::string payload;
    uint8_t type = 0;
  };
  struct Verdict {
    enum class Kind : uint8_t {
      kGood,
      kLost,   // something acknowledged is not there; the rest is in order
      kWrong,  // something is there that was never appended, or not like that, or not there
    };
    Kind kind = Kind::kGood;
    std::string text;
    bool good() const { return kind == Kind::kGood; }
  };

  // Empty if all is well, else what is wrong.
  std::string Appended(Record record);
  void Durable(Lsn end) { durable_ = std::max(durable_, end); }
  void Written(Lsn end) { written_ = std::max(written_, end); }
  void Truncated(Lsn before) { truncated_ = std::max(truncated_, before); }
  void PowerLost() { written_ = durable_; }
  // A cursor needs the records from here on; UINT64_MAX: none does.
  void HeldFrom(Lsn floor) { held_from_ = floor; }

  // What damage has cost: [begin, end) of the log, as the log itself reports it.
  struct LostRange {
    Lsn begin, end;
  };
  // Judges what a reader that goes on behind damage returned, and what it said was lost.
  Verdict JudgeAround(const std::vector<Record>& recovered,
                      const std::vector<LostRange>& lost) const;
  // Whether something is there again that recovery had dropped.
  bool AnyDropped(const std::vector<Record>& recovered) const {
    return std::any_of(recovered.begin(), recovered.end(),
                       [this](const Record& record) { return dropped_.count(record.lsn) > 0; });
  }
  // These are left, and the log was given up behind the last of them.
  void CutTo(std::vector<Record> left);
  // These are left, and the log goes on where it was.
  void LeftOver(std::vector<Record> left) { history_ = std::move(left); }

  // Judges what a reader of everything returned.
  Verdict Judge(const std::vector<Record>& recovered) const;
  // The same; if it is good, what lies beyond it has never been.
  Verdict Recovered(const std::vector<Record>& recovered);
  // A log that was opened has made everything that it recovered durable.
  void Opened() {
    if (!history_.empty()) Durable(history_.back().lsn + 1);
    written_ = std::max(written_, durable_);
  }

  Lsn durable() const { return durable_; }
  Lsn acknowledged() const { return std::max(durable_, written_); }
  Lsn may_be_gone_before() const { return std::min(truncated_, held_from_); }
  const std::vector<Record>& history() const { return history_; }

 private:
  using Place = std::vector<Record>::const_iterator;
  Place FirstOf(const std::vector<Record>& recovered) const;
  // Takes `expected` to behind what was recovered.
  Verdict Compare(const std::vector<Record>& recovered, Place* expected) const;

  std::vector<Record> history_;
  std::map<Lsn, Record> dropped_;  // unfinished ones that recovery has given up
  Lsn durable_, written_, truncated_;
  Lsn held_from_{UINT64_MAX};
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_LOG_ORACLE_H_
