// tests/sim/cursor_oracle.h: which cursors a log was told of, and which it may know after a crash.
//
//   Begin(next) -> the call returns, and the writer says what they are now: Are()
//               -> it failed, or a crash came: either state may be found, by the next opening
//
// What an opening has found is what counts from then on.
#ifndef COREWAL_TESTS_SIM_CURSOR_ORACLE_H_
#define COREWAL_TESTS_SIM_CURSOR_ORACLE_H_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "wal/cursor_set.h"
#include "wal/lsn.h"

namespace corewal {

class CursorOracle {
 public:
  using Cursors = std::vector<LogCursor>;  // ascending by name

  void Begin(Cursors next) { possible_.push_back(std::move(next)); }
  // The writer's state runs behind the one on disk, never ahead. `done`: the call returned OK.
  void Are(const Cursors& now, bool done) {
    if (possible_.empty() || now != possible_.back()) return;
    if (!done && now == known_) return;
    known_ = now;
    possible_.clear();
  }
  // What the log says now. False: it was never told that.
  bool MayBe(const Cursors& found) const {
    return found == known_ ||
           std::find(possible_.begin(), possible_.end(), found) != possible_.end();
  }
  void Opened(const Cursors& found) {
    known_ = found;
    possible_.clear();
  }
  const Cursors& last_begun() const { return possible_.back(); }
  const Cursors& known() const { return known_; }

  Cursors With(const std::string& name, Lsn lsn) const {
    Cursors next = Without(name);
    const auto at = std::find_if(next.begin(), next.end(),
                                 [&](const LogCursor& cursor) { return cursor.name > name; });
    next.insert(at, {name, lsn, false});
    return next;
  }
  Cursors Without(const std::string& name) const {
    Cursors next = known_;
    next.erase(std::remove_if(next.begin(), next.end(),
                              [&](const LogCursor& cursor) { return cursor.name == name; }),
               next.end());
    return next;
  }
  Cursors InvalidatedBelow(Lsn lsn) const {
    Cursors next = known_;
    for (LogCursor& cursor : next) cursor.invalidated |= cursor.lsn < lsn;
    return next;
  }
  static Lsn FloorOf(const Cursors& cursors) {
    Lsn floor(UINT64_MAX);
    for (const LogCursor& cursor : cursors) {
      if (!cursor.invalidated) floor = std::min(floor, cursor.lsn);
    }
    return floor;
  }
  // Records from here on are held back, whichever state it is.
  Lsn Floor() const {
    Lsn floor = FloorOf(known_);
    for (const Cursors& possible : possible_) floor = std::max(floor, FloorOf(possible));
    return floor;
  }

 private:
  Cursors known_;
  std::vector<Cursors> possible_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_CURSOR_ORACLE_H_
