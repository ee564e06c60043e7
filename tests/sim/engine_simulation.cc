#include "tests/sim/engine_simulation.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "engine/environment.h"
#include "io_backend/sim_storage_io.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

void EngineSimulation::Totals::Add(const Totals& other) {
  lives += other.lives;
  crashes += other.crashes;
  records += other.records;
  batches += other.batches;
  incomplete += other.incomplete;
  epochs += other.epochs;
  truncations += other.truncations;
  cuts_checked += other.cuts_checked;
}

std::string EngineSimulation::Totals::ToString() const {
  return absl::StrCat(lives, " lives, ", crashes, " crashes, ", records, " plain records, ",
                      batches, " atomic batches (", incomplete, " incomplete), ", epochs,
                      " epochs, ", truncations, " truncations, ", cuts_checked, " cuts checked");
}

EngineSimulation::EngineSimulation(uint64_t seed) : random_(seed * 2 + 1), disk_(seed) {
  ChooseSetting();
}

void EngineSimulation::ChooseSetting() {
  options_.directory = kDirectory;
  options_.threads = EngineOptions::Threads::kHost;
  options_.shards = static_cast<uint32_t>(random_.Between(2, 4));
  options_.shard.io.buffers = static_cast<uint32_t>(random_.Between(3, 5));
  options_.shard.io.buffer_bytes = 16 << 10;
  options_.shard.direct = random_.Below(2) == 0 ? DirectMode::kOn : DirectMode::kOff;
  options_.shard.sync_method = random_.Below(2) == 0 ? SyncMethod::kDsync : SyncMethod::kDatasync;
  options_.shard.segment_bytes = 64 << 10;
  options_.shard.segments_ready = 1;
  options_.shard.mailbox_bytes = 16 << 10;
}

void EngineSimulation::Problem(const std::string& what) {
  if (problem_.empty()) problem_ = what;
}

std::string EngineSimulation::Run() {
  const uint64_t lives = random_.Between(2, 5);
  for (uint64_t life = 0; life < lives && Good(); ++life) {
    disk_.faults().AllOff();
    disk_.faults().Set(SimFault::kTornSector, {.per_million = 100'000});
    if (random_.Below(2) == 0)
      disk_.faults().Set(SimFault::kLateCompletion, {.per_million = 20'000});
    if (random_.Below(2) == 0) disk_.faults().Set(SimFault::kReorder, {.per_million = 100'000});
    const SimCrash mode = random_.Below(4) == 0 ? SimCrash::kProcessKill : SimCrash::kPowerLoss;
    disk_.CrashAfter(random_.Below(random_.Below(3) == 0 ? 150 : 1500), mode);
    Live(random_.Between(1, 200));
  }
  disk_.CancelCrash();
  disk_.faults().AllOff();
  if (Good() && !Boot() && Good()) Problem("the log cannot be opened after all");
  engine_.reset();
  files_.reset();
  totals_.crashes = disk_.crashes();
  return problem_;
}

std::string EngineSimulation::RunScript(uint64_t crash_at, SimCrash mode, uint64_t* actions) {
  options_.shards = 3;
  disk_.faults().Set(SimFault::kTornSector, {.per_million = 100'000});
  if (crash_at > 0) disk_.CrashAfter(crash_at, mode);
  if (Boot()) {
    Append(0, false, 100);
    AppendAtomically({{0, 50}, {1, 9000}, {2, 60}});
    Append(1, true, 5000);
    PollAll(3);
    AdvanceEpoch();
    AppendAtomically({{2, 40}, {0, 7000}});
    PollAll(40);
    for (int i = 0; i < 8; ++i) Append(0, false, 9000), PollAll(6);
    AppendAtomically({{1, 30}, {0, 20}});
    AdvanceEpoch();
    PollAll(60);
    Truncate(0);
    PollAll(20);
  }
  *actions = disk_.actions();
  Die();
  disk_.CancelCrash();
  for (int opening = 0; opening < 2 && Good(); ++opening) {
    if (!Boot() && Good()) Problem("the log cannot be opened after all");
    if (!Good()) break;
    Append(1, false, 70);
    AppendAtomically({{1, 10}, {2, 10}});
    PollAll(20);
    Die();
  }
  return problem_;
}

void EngineSimulation::Live(uint64_t steps) {
  ++totals_.lives;
  if (Boot()) {
    for (uint64_t i = 0; i < steps && Good() && !Crashed(); ++i) {
      Step();
      published_epoch_ = std::max(published_epoch_, engine_->durable_epoch().value());
    }
    if (Good() && !Crashed() && random_.Below(3) == 0) {
      disk_.Trace("SIM close");
      const absl::Status closed = engine_->Close();
      if (!closed.ok() && !Crashed()) Problem(absl::StrCat("Close: ", closed.ToString()));
    }
  }
  Die();
}

void EngineSimulation::Die() {
  // What was reached before the crash may still be told, and is true. What is told after it is too:
  // it can only be an error.
  if (!Crashed()) {
    disk_.Crash(random_.Below(3) == 0 ? SimCrash::kProcessKill : SimCrash::kPowerLoss);
  }
  if (engine_ != nullptr) {
    published_epoch_ = std::max(published_epoch_, engine_->durable_epoch().value());
  }
  engine_.reset();
  for (auto& [batch, future] : pending_) {
    if (future.ready() && future.Wait().ok()) answered_batches_.insert(batch);
  }
  pending_.clear();
  shards_.clear();
  files_.reset();
}

bool EngineSimulation::Boot() {
  crashes_at_boot_ = disk_.crashes();
  files_ = std::make_unique<SimFileSystem>(disk_);
  EngineEnvironment environment;
  environment.files = files_.get();
  environment.clock = &disk_.clock();
  environment.create_io =
      [this](StorageIoOptions io) -> absl::StatusOr<std::unique_ptr<StorageIo>> {
    io.buffer_bytes = std::min(io.buffer_bytes, 64u << 10);  // large ones take long to make
    auto made = SimStorageIo::Create(*files_, io);
    if (!made.ok()) return made.status();
    return std::unique_ptr<StorageIo>(*std::move(made));
  };
  auto engine = OpenEngineIn(options_, environment);
  if (!engine.ok()) {
    if (!Crashed()) Problem(absl::StrCat("Open: ", engine.status().ToString()));
    return false;
  }
  engine_ = *std::move(engine);
  if (!Check()) return false;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    absl::StatusOr<Shard*> shard = engine_->AttachShard(ShardId{i});
    if (!shard.ok()) {
      if (!Crashed()) Problem(absl::StrCat("attach: ", shard.status().ToString()));
      return false;
    }
    shards_.push_back(*shard);
  }
  return true;
}

bool EngineSimulation::Check() {
  Found found(options_.shards);
  if (!ReadShards(&found)) return false;
  CheckShards(found);
  CheckBatches(found);
  CheckCut();
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

uint64_t EngineSimulation::RandomBytes() {
  const uint64_t dice = random_.Below(100);
  if (dice < 70) return random_.Below(200);
  return random_.Below(dice < 95 ? 6'000 : 14'000);
}

void EngineSimulation::Step() {
  const uint64_t dice = random_.Below(100);
  const auto any_shard = [this] { return static_cast<uint32_t>(random_.Below(options_.shards)); };
  if (dice < 25) {
    Append(any_shard(), false, RandomBytes());
  } else if (dice < 35) {
    Append(any_shard(), true, RandomBytes());
  } else if (dice < 50) {
    std::vector<std::pair<uint32_t, uint64_t>> parts;
    for (uint64_t i = random_.Between(1, 3); i > 0; --i) {
      parts.emplace_back(any_shard(), RandomBytes() / 2);
    }
    AppendAtomically(parts);
  } else if (dice < 57) {
    AdvanceEpoch();
  } else if (dice < 61) {
    Truncate(any_shard());
  } else if (dice < 90) {
    Poll(any_shard());
  } else {
    PollAll(static_cast<int>(random_.Between(1, 40)));
  }
}

std::string EngineSimulation::NewPayload(uint64_t number, uint64_t bytes) const {
  std::string payload(sizeof(number), '\0');
  std::memcpy(payload.data(), &number, sizeof(number));
  SeededRandom content(number);
  while (payload.size() < bytes) payload.push_back(static_cast<char>(content.Next()));
  return payload;
}

uint64_t EngineSimulation::NumberOf(absl::Span<const std::byte> payload) {
  uint64_t number = 0;
  if (payload.size() >= sizeof(number)) std::memcpy(&number, payload.data(), sizeof(number));
  const std::string want = NewPayload(number, payload.size());
  const bool same = payload.size() >= sizeof(number) && number > 0 && number < records_.size() &&
                    std::memcmp(want.data(), payload.data(), payload.size()) == 0;
  if (!same) Problem("a record that was never appended");
  return same ? number : 0;
}

void EngineSimulation::Append(uint32_t shard, bool direct, uint64_t bytes) {
  const uint64_t number = records_.size();
  const std::string payload = NewPayload(number, bytes);
  const auto answer = [this, number](const absl::StatusOr<Lsn>& lsn) {
    Record& record = records_[number];
    if (lsn.ok()) {
      record.fate = Fate::kAnswered;
      record.lsn = *lsn;
    } else if (!Crashed()) {
      record.fate = Fate::kRefused;
    }
  };
  records_.push_back({.shard = shard, .direct = direct});
  const absl::Status accepted = direct
                                    ? shards_[shard]->Append(Bytes(payload), {}, answer).status()
                                    : engine_->Append(ShardId{shard}, Bytes(payload), {}, answer);
  if (!accepted.ok()) {
    records_.pop_back();
    if (!Crashed() && !absl::IsResourceExhausted(accepted)) {
      Problem(absl::StrCat("append: ", accepted.ToString()));
    }
    return;
  }
  ++totals_.records;
  disk_.Trace(absl::StrCat("SIM record ", number, " to shard ", shard, direct ? ", direct" : ""));
}

void EngineSimulation::AppendAtomically(const std::vector<std::pair<uint32_t, uint64_t>>& parts) {
  std::vector<std::string> payloads;
  std::vector<AtomicPart> atomic;
  const uint64_t first = records_.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    payloads.push_back(NewPayload(first + i, parts[i].second));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    atomic.push_back({ShardId{parts[i].first}, Bytes(payloads[i])});
  }
  auto future = engine_->AppendAtomically(atomic);
  if (!future.ok()) {
    if (!Crashed() && !absl::IsResourceExhausted(future.status())) {
      Problem(absl::StrCat("atomic: ", future.status().ToString()));
    }
    return;
  }
  const uint64_t batch = ++batches_;
  ++totals_.batches;
  disk_.Trace(absl::StrCat("SIM atomic batch ", batch, ": records from ", first));
  for (const auto& [shard, bytes] : parts) records_.push_back({.shard = shard, .batch = batch});
  pending_.emplace_back(batch, *std::move(future));
}

void EngineSimulation::AdvanceEpoch() {
  const absl::StatusOr<Epoch> closed = engine_->AdvanceEpoch();
  if (!closed.ok()) {
    if (!Crashed()) Problem(absl::StrCat("AdvanceEpoch: ", closed.status().ToString()));
    return;
  }
  disk_.Trace(absl::StrCat("SIM epoch ", closed->value(), " closed"));
  closed_at_[closed->value()] = records_.size();
  ++totals_.epochs;
}

// Before a plain record that was answered, or had survived.
void EngineSimulation::Truncate(uint32_t shard) {
  uint64_t before = 0;
  for (uint64_t number = records_.size() - 1; number > 0; --number) {
    const Record& record = records_[number];
    const bool known = record.fate == Fate::kAnswered || record.fate == Fate::kSurvived;
    if (record.shard != shard || record.batch != 0 || !known) continue;
    before = number;
    if (random_.Below(2) == 0) break;
  }
  if (before == 0) return;
  disk_.Trace(absl::StrCat("SIM truncate shard ", shard, " before record ", before));
  const Lsn lsn = records_[before].lsn;
  for (uint64_t number = 1; number < records_.size(); ++number) {
    Record& record = records_[number];
    if (record.shard != shard) continue;
    if (number < before || (record.lsn != Lsn() && record.lsn < lsn)) record.may_be_gone = true;
  }
  ++totals_.truncations;
  const absl::Status truncated = engine_->TruncateBefore(ShardId{shard}, records_[before].lsn);
  if (!truncated.ok() && !Crashed()) Problem(absl::StrCat("truncate: ", truncated.ToString()));
}

void EngineSimulation::Poll(uint32_t shard) {
  const absl::Status polled = shards_[shard]->Poll();
  if (!polled.ok() && !Crashed()) Problem(absl::StrCat("Poll: ", polled.ToString()));
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (!it->second.ready()) {
      ++it;
      continue;
    }
    const absl::StatusOr<Lsn> answer = it->second.Wait();
    if (answer.ok()) answered_batches_.insert(it->first);
    it = pending_.erase(it);
  }
}

void EngineSimulation::PollAll(int rounds) {
  for (int round = 0; round < rounds && Good() && !Crashed(); ++round) {
    for (uint32_t shard = 0; shard < shards_.size(); ++shard) Poll(shard);
  }
}

}  // namespace corewal
