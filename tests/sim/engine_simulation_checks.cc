// What the engine's simulation finds after an opening, against what it was told before.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/engine_simulation.h"

namespace corewal {

bool EngineSimulation::Check() {
  Found found(options_.shards);
  if (!ReadShards(&found)) return false;
  CheckShards(found);
  CheckBatches(found);
  CheckCut();
  CheckCursors();
  if (Good() && !Crashed()) TakeOver(found);
  return Good() && !Crashed();
}

bool EngineSimulation::ReadShards(Found* found) {
  for (uint32_t shard = 0; shard < options_.shards; ++shard) {
    auto replay = engine_->Replay(ShardId{shard});
    RecordView record;
    absl::Status status = replay.status();
    if (status.ok()) {
      while ((*replay)->Next(&record)) {
        const uint64_t number = NumberOf(record.payload);
        if (!Good()) return false;
        if (records_[number].shard != shard) Problem("a record of another shard");
        records_[number].lsn = record.lsn;
        (*found)[shard].push_back(number);
      }
      status = (*replay)->status();
    }
    if (!status.ok()) {
      if (!Crashed()) Problem(absl::StrCat("replay: ", status.ToString()));
      return false;
    }
    disk_.Trace(absl::StrCat("SIM shard ", shard, ": ", (*found)[shard].size(), " records"));
  }
  return Good();
}

void EngineSimulation::CheckShards(const Found& found) {
  for (uint32_t shard = 0; shard < options_.shards; ++shard) {
    uint64_t last[2] = {0, 0};
    std::set<uint64_t> there;
    for (const uint64_t number : found[shard]) {
      const Record& record = records_[number];
      if (!there.insert(number).second) Problem(absl::StrCat("record ", number, " came twice"));
      if (record.fate == Fate::kLost) {
        Problem(absl::StrCat("record ", number, " was not there once and is now"));
      }
      if (record.fate == Fate::kRefused) {
        Problem(absl::StrCat("record ", number, " was refused and is there"));
      }
      if (record.batch != 0) continue;
      uint64_t& before = last[record.direct ? 1 : 0];
      if (number < before) Problem(absl::StrCat("record ", number, " came after ", before));
      before = std::max(before, number);
    }
    bool missing[2] = {false, false};
    for (uint64_t number = 1; number < records_.size(); ++number) {
      const Record& record = records_[number];
      if (record.shard != shard || record.batch != 0) continue;
      bool& gap = missing[record.direct ? 1 : 0];
      if (there.count(number) > 0) {
        if (gap) Problem(absl::StrCat("a record before ", number, " is missing"));
        continue;
      }
      if (record.may_be_gone || record.fate == Fate::kLost || record.fate == Fate::kRefused) {
        continue;
      }
      gap = true;
      if (record.fate != Fate::kUnknown) {
        Problem(absl::StrCat("record ", number, " of shard ", shard, " was answered and is gone"));
      }
    }
  }
}

void EngineSimulation::CheckBatches(const Found& found) {
  std::set<uint64_t> there;
  for (const auto& numbers : found) there.insert(numbers.begin(), numbers.end());
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> counts;  // batch: found, missing
  for (uint64_t number = 1; number < records_.size(); ++number) {
    const Record& record = records_[number];
    if (record.batch == 0) continue;
    auto& [present, missing] = counts[record.batch];
    if (there.count(number) > 0) {
      ++present;
    } else if (!record.may_be_gone) {
      ++missing;
    }
  }
  for (const auto& [batch, count] : counts) {
    const auto& [present, missing] = count;
    if (present > 0 && missing > 0) {
      Problem(absl::StrCat("atomic batch ", batch, ": ", present, " records are there, ", missing,
                           " are not"));
    }
    if (present > 0 && refused_batches_.count(batch) > 0) {
      Problem(absl::StrCat("atomic batch ", batch, " was refused and its records are there"));
    }
    if (missing > 0 && answered_batches_.count(batch) > 0) {
      Problem(absl::StrCat("atomic batch ", batch, " was answered and is gone"));
    }
    if (missing > 0 && lost_batches_.count(batch) == 0) ++totals_.incomplete;
  }
}

void EngineSimulation::CheckCut() {
  const uint64_t epoch = engine_->recovered_epoch().value();
  if (epoch < published_epoch_) {
    Problem(absl::StrCat("epoch ", published_epoch_, " was durable; recovered: ", epoch));
  }
  if (cut_short_.count(epoch) > 0) {
    Problem(absl::StrCat("the cut of epoch ", epoch, ", which a crash cut short, is complete now"));
  }
  for (const auto& entry : closed_at_) {
    if (entry.first > epoch) cut_short_.insert(entry.first);
  }
  if (epoch == 0 || !Good()) return;
  const auto closed = closed_at_.find(epoch);
  if (closed == closed_at_.end()) return Problem(absl::StrCat("epoch ", epoch, " never closed"));
  auto replay = engine_->ReplayMerged(Epoch(epoch));
  absl::Status status = replay.status();
  std::set<uint64_t> there;
  uint64_t highest = closed->second - 1;
  if (status.ok()) {
    ShardId shard;
    RecordView view;
    while ((*replay)->Next(&shard, &view)) {
      const uint64_t number = NumberOf(view.payload);
      if (!Good()) return;
      there.insert(number);
      if (records_[number].batch == 0) highest = std::max(highest, number);
    }
    status = (*replay)->status();
  }
  if (!status.ok()) {
    if (!Crashed()) Problem(absl::StrCat("merged replay: ", status.ToString()));
    return;
  }
  ++totals_.cuts_checked;
  std::set<uint64_t> missing_batches, present_batches;
  for (uint64_t number = 1; number < records_.size(); ++number) {
    const Record& record = records_[number];
    const bool present = there.count(number) > 0;
    if (record.batch != 0) {
      if (present) present_batches.insert(record.batch);
      if (!present && !record.may_be_gone) missing_batches.insert(record.batch);
      continue;
    }
    if (present || number > highest || record.may_be_gone || record.fate == Fate::kLost ||
        record.fate == Fate::kRefused) {
      continue;
    }
    Problem(absl::StrCat("the cut of epoch ", epoch, " reaches to record ", highest,
                         " and lacks record ", number, " of shard ", record.shard));
  }
  for (const uint64_t batch : present_batches) {
    if (missing_batches.count(batch) > 0) {
      Problem(absl::StrCat("the cut of epoch ", epoch, " holds a part of atomic batch ", batch));
    }
  }
}

void EngineSimulation::CheckCursors() {
  for (uint32_t shard = 0; shard < options_.shards; ++shard) {
    const absl::StatusOr<std::vector<LogCursor>> read = engine_->cursors(ShardId{shard});
    if (!read.ok()) {
      if (!Crashed()) Problem(absl::StrCat("cursors: ", read.status().ToString()));
      return;
    }
    Cursors found;
    for (const LogCursor& cursor : *read) found[cursor.name] = cursor.lsn;
    if (found != cursors_[shard] && found != cursors_if_[shard]) {
      Problem(absl::StrCat("shard ", shard, " has other cursors than it was told"));
    }
    cursors_[shard] = cursors_if_[shard] = found;
  }
}

bool EngineSimulation::AnyFailed() const {
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    if (Failed(shard)) return true;
  }
  return false;
}

// One fault strikes once, and fails at most the shard that it strikes.
void EngineSimulation::CheckFailures() {
  uint64_t failed = 0;
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) failed += Failed(shard) ? 1 : 0;
  totals_.failed_shards += failed;
  if (failed > (Struck() ? 1 : 0)) Problem(absl::StrCat(failed, " shards failed"));
}

// What was found stays; what was not is lost for good.
void EngineSimulation::TakeOver(const Found& found) {
  std::set<uint64_t> there;
  for (const auto& numbers : found) there.insert(numbers.begin(), numbers.end());
  for (uint64_t number = 1; number < records_.size(); ++number) {
    Record& record = records_[number];
    if (there.count(number) > 0) {
      record.fate = Fate::kSurvived;
      if (record.batch != 0) answered_batches_.insert(record.batch);
    } else if (!record.may_be_gone) {
      record.fate = Fate::kLost;
      if (record.batch != 0) lost_batches_.insert(record.batch);
    }
  }
}

}  // namespace corewal
