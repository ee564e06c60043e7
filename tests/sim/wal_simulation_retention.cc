// What a simulated log keeps, and for whom: truncation, cursors, the limit of its size.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/wal_simulation.h"
#include "wal/segment_set.h"

namespace corewal {

void WalSimulation::Truncate() {
  const std::vector<LogOracle::Record>& history = oracle_.history();
  if (history.empty()) return;
  // Often almost everything, so that files are recycled while they are young.
  const uint64_t size = history.size();
  const uint64_t at =
      random_.Below(2) == 0 ? random_.Below(size) : size - 1 - random_.Below(size) / 8;
  const Lsn before = history[at].lsn;
  const Lsn durable = writer_->durable();
  if (before > durable) return;
  disk_.Trace(absl::StrCat("SIM truncate before ", before.value()));
  // Whoever stands in the way and lags too far is invalidated, nobody else.
  CursorOracle::Cursors cursors = cursors_.known();
  const uint64_t lag_max = options_.cursor_lag_bytes_max;
  if (lag_max != 0 && durable.value() > lag_max && CursorOracle::FloorOf(cursors) < before) {
    cursors = cursors_.InvalidatedBelow(std::min(before, Lsn(durable.value() - lag_max)));
  }
  const bool invalidates = cursors != cursors_.known();
  if (invalidates && stuck_) return;  // it would wait for the device
  oracle_.Truncated(std::min(before, CursorOracle::FloorOf(cursors)));  // also if it fails halfway
  if (invalidates) cursors_.Begin(std::move(cursors));
  const absl::Status truncated = writer_->TruncateBefore(before);
  ++totals_.truncations;
  if (invalidates) {
    ++totals_.cursors_invalidated;
    const CursorOracle::Cursors& expected = cursors_.last_begun();
    if (truncated.ok() && writer_->cursors() != expected) {
      Problem("WRONG: not the cursors that were invalidated which should have been");
    }
    cursors_.Are(writer_->cursors(), truncated.ok());
  }
  if (!truncated.ok() && !Excused(truncated)) Problem(truncated.ToString());
}

void WalSimulation::MoveCursor() {
  // They wait for the device. A broken one may forget them, and need not be blamed twice.
  if (stuck_ || broken_.has_value()) return;
  constexpr uint64_t kNames = 3;
  const std::string name(1, static_cast<char>('a' + random_.Below(kNames)));
  absl::Status changed;
  if (random_.Below(4) == 0) {
    disk_.Trace(absl::StrCat("SIM remove cursor ", name));
    const CursorOracle::Cursors next = cursors_.Without(name);
    const bool there = next != cursors_.known();
    if (there) cursors_.Begin(next);
    changed = writer_->RemoveCursor(name);
    if (!there && (changed.ok() || !absl::IsNotFound(changed)) && !Excused(changed)) {
      return Problem("WRONG: a cursor was removed that was not there");
    }
    if (!there) return;
  } else {
    const Lsn oldest = writer_->oldest();
    const Lsn durable = writer_->durable();
    const Lsn lsn = oldest + random_.Below(durable - oldest + 1);
    disk_.Trace(absl::StrCat("SIM set cursor ", name, " to lsn ", lsn.value()));
    cursors_.Begin(cursors_.With(name, lsn));
    changed = writer_->SetCursor(name, lsn);
    ++totals_.cursors_set;
  }
  if (changed.ok() && writer_->cursors() != cursors_.last_begun()) {
    Problem("WRONG: the cursors are not what they were set to");
  }
  cursors_.Are(writer_->cursors(), changed.ok());
  if (!changed.ok() && (absl::IsDataLoss(changed) || !Excused(changed))) {
    Problem(absl::StrCat("cursor: ", changed.ToString()));
  }
}

bool WalSimulation::CheckCursorsFound() {
  disk_.Trace(absl::StrCat("SIM opened from lsn ", writer_->oldest().value(), " on; cursors from ",
                           CursorOracle::FloorOf(writer_->cursors()).value(), ", were from ",
                           CursorOracle::FloorOf(cursors_.known()).value(),
                           state_ == State::kHole ? "; a hole" : ""));
  if (broken_.has_value()) return true;
  if (!cursors_.MayBe(writer_->cursors())) {
    Problem(absl::StrCat("LOST: ", writer_->cursors().size(), " cursors were found, ",
                         cursors_.known().size(), " were known, or others"));
    return false;
  }
  cursors_.Opened(writer_->cursors());
  return true;
}

// log_bytes_max holds unless the log was too large for it already when it was opened.
void WalSimulation::CheckSize() {
  if (options_.log_bytes_max == 0) return;
  const uint64_t most = std::max(options_.log_bytes_max, bytes_at_opening_);
  if (writer_->log_bytes() > most) {
    Problem(absl::StrCat("WRONG: ", writer_->log_bytes(), " bytes of files; at most ", most));
  }
  if (random_.Below(20) != 0 || broken_.has_value()) return;
  const auto entries = files_->List(options_.directory);
  if (!entries.ok()) return;
  uint64_t bytes = 0;
  for (const DirectoryEntry& entry : *entries) {
    if (!ParseSegmentFileName(entry.name).has_value()) continue;
    const SimDisk::Inode* const inode =
        disk_.Find(absl::StrCat(options_.directory, "/", entry.name));
    if (inode != nullptr) bytes += inode->file.live().size();
  }
  // What damage has taken out of the log is no file of the writer's.
  if (!Crashed() && state_ == State::kWhole && bytes > most && bytes > writer_->log_bytes()) {
    Problem(absl::StrCat("WRONG: ", bytes, " bytes in files, ", writer_->log_bytes(),
                         " are accounted for"));
  }
}

}  // namespace corewal
