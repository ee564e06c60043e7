#include "tests/sim/engine_simulation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/sim/sim_environment.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log";

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
  cursors += other.cursors;
  failed_shards += other.failed_shards;
  full_openings += other.full_openings;
  drained += other.drained;
}

std::string EngineSimulation::Totals::ToString() const {
  return absl::StrCat(lives, " lives, ", crashes, " crashes, ", records, " plain records, ",
                      batches, " atomic batches (", incomplete, " incomplete), ", epochs,
                      " epochs, ", truncations, " truncations, ", cuts_checked, " cuts checked, ",
                      cursors, " cursors moved, ", failed_shards, " shards failed, ", full_openings,
                      " openings on a full disk, ", drained, " lives drained");
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
    const uint64_t dice = random_.Below(4);
    style_ = dice == 0 ? Style::kLarge : dice == 1 ? Style::kPlain : Style::kMixed;
    full_at_open_ = life > 0 && random_.Below(3) == 0;
    // Until the next opening, nothing asks for what that one could not record.
    if (full_at_open_ && random_.Below(2) == 0) style_ = Style::kPlain;
    Live(random_.Between(1, 200));
  }
  disk_.CancelCrash();
  disk_.faults().AllOff();
  full_at_open_ = false;
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
    if (random_.Below(4) == 0) {
      fault_ = random_.Below(2) == 0 ? SimFault::kSyncEio : SimFault::kWriteEio;
      disk_.faults().Set(fault_, {.at = {random_.Between(1, 60)}});
    }
    for (uint64_t i = 0; i < steps && Good() && !Crashed(); ++i) {
      Step();
      published_epoch_ = std::max(published_epoch_, engine_->durable_epoch().value());
    }
    if (Good() && !Crashed() && random_.Below(4) == 0) Drain();
    if (Good() && !Crashed()) CheckFailures();
    if (Good() && !Crashed() && random_.Below(3) == 0) {
      disk_.Trace("SIM close");
      const absl::Status closed = engine_->Close();
      if (!closed.ok() && !Crashed() && !Struck())
        Problem(absl::StrCat("Close: ", closed.ToString()));
    }
  }
  Die();
}

void EngineSimulation::Die() {
  // What was reached before the crash may still be told, and is true. What is told after it is too:
  // it can only be an error.
  // A device that reported an error may have lost what its page cache still shows, and there is no
  // opening the log before the power was cycled (recovery.h).
  const bool lied = Struck();
  if (!Crashed()) {
    const bool kill = !lied && random_.Below(3) == 0;
    disk_.Crash(kill ? SimCrash::kProcessKill : SimCrash::kPowerLoss);
  }
  if (engine_ != nullptr) {
    published_epoch_ = std::max(published_epoch_, engine_->durable_epoch().value());
  }
  engine_.reset();
  for (auto& [batch, future] : pending_) {
    if (future.ready() && future.Wait().ok()) answered_batches_.insert(batch);
  }
  pending_.clear();
  unanswered_ = 0;
  last_closed_ = 0;
  disk_.faults().Set(SimFault::kSyncEio, {});
  disk_.faults().Set(SimFault::kWriteEio, {});
  shards_.clear();
  files_.reset();
  if (lied && disk_.last_crash() == SimCrash::kProcessKill) disk_.Crash(SimCrash::kPowerLoss);
}

absl::Status EngineSimulation::Open() {
  files_ = std::make_unique<SimFileSystem>(disk_);
  auto engine = OpenEngineIn(options_, SimEnvironment(disk_, *files_));
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  return absl::OkStatus();
}

bool EngineSimulation::Boot() {
  crashes_at_boot_ = disk_.crashes();
  // What is decided at such an opening cannot be recorded, but for what an earlier one had.
  if (full_at_open_) disk_.faults().Set(SimFault::kEnospc, {.per_million = 1'000'000});
  absl::Status opened = Open();
  disk_.faults().Set(SimFault::kEnospc, {});
  if (full_at_open_ && opened.ok()) ++totals_.full_openings;
  // A shard's directory that is still to be made needs space.
  if (full_at_open_ && absl::IsResourceExhausted(opened) && !Crashed()) opened = Open();
  if (!opened.ok()) {
    if (!Crashed()) Problem(absl::StrCat("Open: ", opened.ToString()));
    return false;
  }
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

}  // namespace corewal
