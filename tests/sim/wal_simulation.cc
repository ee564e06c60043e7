#include "tests/sim/wal_simulation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "wal/format.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log/shard-0000";

SimDiskOptions DiskOf(uint64_t seed) {
  SimDiskOptions options;
  if (seed % 5 == 0) options.capacity_bytes = 1u << 20;  // tight: fills up
  if (seed % 7 == 0) options.sync = options.transfer;
  return options;
}

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

WalSimulation::WalSimulation(uint64_t seed)
    : seed_(seed), random_(seed * 2 + 1), disk_(seed, DiskOf(seed)) {
  ChooseSetting();
}

void WalSimulation::ChooseSetting() {
  io_options_.buffers = static_cast<uint32_t>(random_.Between(3, 8));
  io_options_.buffer_bytes = random_.Below(2) == 0 ? 16 << 10 : 32 << 10;
  io_options_.queue_depth = io_options_.buffers + 8;
  options_.directory = kDirectory;
  options_.uuid.bytes.fill(std::byte{7});
  options_.direct = random_.Below(2) == 0 ? DirectMode::kOn : DirectMode::kOff;
  options_.sync_method = random_.Below(3) == 0 ? SyncMethod::kDsync : SyncMethod::kDatasync;
  options_.segment_bytes = (64u << 10) << random_.Below(3);
  options_.segments_ready = static_cast<uint32_t>(random_.Between(1, 3));
  options_.sync_delay_us_max = random_.Below(2) == 0 ? 0 : 300;
  options_.sync_bytes_max = random_.Below(2) == 0 ? 8u << 20 : 16u << 10;
  options_.seal_after_us = random_.Below(2) == 0 ? 500 : 20'000;
}

// What a log must cope with. What breaks a device's promises (lies, rot) is another test's.
void WalSimulation::ChooseFaults() {
  disk_.faults().AllOff();
  errors_injected_ = false;
  const auto set = [this](SimFault fault, uint32_t per_million) {
    disk_.faults().Set(fault, {.per_million = per_million});
  };
  set(SimFault::kTornSector, 100'000);
  if (random_.Below(2) == 0) set(SimFault::kLateCompletion, 20'000);
  if (random_.Below(2) == 0) set(SimFault::kReorder, 100'000);
  if (random_.Below(2) == 0) set(SimFault::kShortWrite, 50'000);
  if (random_.Below(4) != 0) return;
  errors_injected_ = true;
  set(SimFault::kWriteEio, 2'000);
  set(SimFault::kShortForGood, 2'000);
  set(SimFault::kSyncEio, 4'000);
  set(SimFault::kEnospc, 5'000);
  set(SimFault::kReadEio, 1'000);
}

void WalSimulation::Problem(const std::string& what) {
  if (problem_.empty()) problem_ = what;
}

bool WalSimulation::Excused(const absl::Status& status) const {
  return Crashed() || errors_injected_ || absl::IsResourceExhausted(status);
}

void WalSimulation::Boot() {
  crashes_at_boot_ = disk_.crashes();
  files_ = std::make_unique<SimFileSystem>(disk_);
  auto io = SimStorageIo::Create(*files_, io_options_);
  CHECK_OK(io.status());
  io_ = *std::move(io);
  last_called_back_ = Lsn();
}

void WalSimulation::Shutdown() {
  writer_.reset();
  io_.reset();
  files_.reset();
}

std::string WalSimulation::Run() {
  Boot();
  CHECK_OK(files_->CreateDirectories(kDirectory));
  Shutdown();
  const uint64_t lives = random_.Between(3, 6);
  for (uint64_t life = 0; life < lives && Good(); ++life) {
    ChooseFaults();
    const SimCrash mode = random_.Below(4) == 0 ? SimCrash::kProcessKill : SimCrash::kPowerLoss;
    // Often early: opening, recovering and the first segment are where the edges are.
    disk_.CrashAfter(random_.Below(random_.Below(3) == 0 ? 60 : 1500), mode);
    Live();
  }
  disk_.CancelCrash();
  disk_.faults().AllOff();
  if (!Good()) return problem_;
  Boot();
  errors_injected_ = false;
  if (!Recover() && Good()) Problem("the log cannot be opened after all");
  Shutdown();
  totals_.crashes = disk_.crashes();
  return problem_;
}

void WalSimulation::Live() {
  ++totals_.lives;
  Boot();
  bool failed = true;
  if (Recover()) {
    const uint64_t steps = random_.Between(1, 400);
    for (uint64_t i = 0; i < steps && Good() && !Crashed() && writer_->failure().ok(); ++i) {
      Step();
      Observe();
    }
    if (Good() && !Crashed() && writer_->failure().ok() && random_.Below(3) == 0) {
      disk_.Trace("SIM close");
      const absl::Status closed = writer_->Close();
      if (!closed.ok() && !Excused(closed)) Problem(absl::StrCat("Close: ", closed.ToString()));
      Observe();
    }
    failed = !writer_->failure().ok();
    if (failed && !Crashed()) ++totals_.failures;
    totals_.rolls += writer_->stats().rolls;
  }
  // A device that reported an error may have lost what its page cache still shows, and there is no
  // opening the log before the power was cycled (recovery.h).
  const bool lied = failed || disk_.faults().strikes(SimFault::kSyncEio) > 0;
  const bool lose_power = lied || random_.Below(2) == 0;
  if (!Crashed()) disk_.Crash(lose_power ? SimCrash::kPowerLoss : SimCrash::kProcessKill);
  Shutdown();  // what was reached before the crash may still be told, and is true
  if (lied && disk_.last_crash() == SimCrash::kProcessKill) disk_.Crash(SimCrash::kPowerLoss);
  if (disk_.last_crash() == SimCrash::kPowerLoss) oracle_.PowerLost();
}

bool WalSimulation::ReadBack() {
  auto reader = LogReader::Open(*files_, *io_, kDirectory, {.direct = options_.direct});
  if (!reader.ok()) {
    if (!Excused(reader.status())) Problem(absl::StrCat("Open: ", reader.status().ToString()));
    return false;
  }
  std::vector<LogOracle::Record> records;
  RecordView record;
  while ((*reader)->Next(&record)) {
    records.push_back({record.lsn, std::string(reinterpret_cast<const char*>(record.payload.data()),
                                               record.payload.size())});
  }
  if (const absl::Status end = (*reader)->end().ToStatus(); !end.ok()) {
    if (absl::IsDataLoss(end) || !Excused(end)) Problem(absl::StrCat("read: ", end.ToString()));
    return false;
  }
  disk_.Trace(absl::StrCat("SIM read ", records.size(), " records; ", (*reader)->end().ToString()));
  totals_.recovered += records.size();
  const std::string wrong = oracle_.Recovered(records);
  if (!wrong.empty()) Problem(absl::StrCat(wrong, "; ", (*reader)->end().ToString()));
  return Good();
}

bool WalSimulation::Recover() {
  if (!ReadBack()) return false;
  const auto recovered =
      RecoverLog(*files_, *io_, kDirectory, options_.uuid, RecoveryMode::kStrict);
  if (!recovered.ok()) {
    const bool damaged = absl::IsDataLoss(recovered.status());
    if (damaged || !Excused(recovered.status())) Problem(recovered.status().ToString());
    return false;
  }
  disk_.Trace(absl::StrCat("SIM recovered: ", recovered->end.ToString()));
  auto writer = LogWriter::Open(*files_, *io_, disk_.clock(), options_, *recovered);
  if (!writer.ok()) {
    if (!Excused(writer.status())) Problem(absl::StrCat("open: ", writer.status().ToString()));
    return false;
  }
  writer_ = *std::move(writer);
  oracle_.Opened();
  return true;
}

void WalSimulation::Step() {
  const uint64_t dice = random_.Below(100);
  const MonotonicNs now = disk_.clock().Now();
  if (dice < 40) {
    Append();
  } else if (dice < 45) {
    AppendSeveral();
  } else if (dice < 50) {
    AppendInPlace();
  } else if (dice < 75) {
    writer_->Poll().IgnoreError();
  } else if (dice < 92) {
    writer_->Wait(now + static_cast<MonotonicNs>(random_.Below(3'000'000))).IgnoreError();
  } else if (dice < 95) {
    disk_.Trace("SIM wait durable");
    writer_->WaitDurable().IgnoreError();
  } else if (dice < 97) {
    Truncate();
  } else {
    Idle(now + 60'000'000);
  }
  if (const absl::Status& failure = writer_->failure(); !failure.ok() && !Excused(failure)) {
    Problem(absl::StrCat("the writer failed: ", failure.ToString()));
  }
}

void WalSimulation::Idle(MonotonicNs until) {
  disk_.Trace("SIM idle");
  for (uint64_t turns = 0; disk_.clock().Now() < until && writer_->failure().ok(); ++turns) {
    writer_->Wait(until).IgnoreError();
    if (turns > 100'000) return Problem("the writer spins: Wait returns, and time stands still");
  }
}

std::string WalSimulation::NewPayload() {
  const uint64_t dice = random_.Below(100);
  uint64_t bytes = random_.Below(200);
  if (dice >= 80) bytes = random_.Below(6'000);
  if (dice >= 95) bytes = random_.Below(60'000);
  std::string payload = absl::StrCat("record ", ++records_made_, ":");
  SeededRandom content(records_made_);
  while (payload.size() < bytes) payload.push_back(static_cast<char>(content.Next()));
  payload.resize(bytes);
  return payload;
}

AppendCallback WalSimulation::Callback(Durability durability) {
  return [this, durability](const absl::StatusOr<Lsn>& lsn) {
    if (!lsn.ok()) {
      if (!Excused(lsn.status())) Problem(absl::StrCat("callback: ", lsn.status().ToString()));
      return;
    }
    if (*lsn <= last_called_back_) Problem("callbacks out of LSN order");
    last_called_back_ = *lsn;
    if (durability == Durability::kDurable) oracle_.Durable(*lsn + 1);
    if (durability == Durability::kWritten) oracle_.Written(*lsn + 1);
  };
}

void WalSimulation::TookLsn(const absl::StatusOr<Lsn>& lsn, std::string payload) {
  if (!lsn.ok()) {
    if (!Excused(lsn.status())) Problem(absl::StrCat("append: ", lsn.status().ToString()));
    return;
  }
  disk_.Trace(absl::StrCat("SIM append ", payload.size(), " bytes at lsn ", lsn->value()));
  ++totals_.appended;
  const std::string wrong = oracle_.Appended(*lsn, std::move(payload));
  if (!wrong.empty()) Problem(wrong);
}

void WalSimulation::Append() {
  std::string payload = NewPayload();
  constexpr Durability kDurabilities[] = {Durability::kDurable, Durability::kDurable,
                                          Durability::kWritten, Durability::kAppended};
  AppendOptions options;
  options.durability = kDurabilities[random_.Below(std::size(kDurabilities))];
  const bool with_callback = random_.Below(2) == 0;
  const absl::StatusOr<Lsn> lsn =
      with_callback ? writer_->Append(Bytes(payload), options, Callback(options.durability))
                    : writer_->Append(Bytes(payload), options);
  TookLsn(lsn, std::move(payload));
}

void WalSimulation::AppendSeveral() {
  std::vector<std::string> payloads;
  for (uint64_t i = random_.Between(1, 4); i > 0; --i)
    payloads.push_back(NewPayload().substr(0, 999));
  std::vector<absl::Span<const std::byte>> spans;
  spans.reserve(payloads.size());
  for (const std::string& payload : payloads) spans.push_back(Bytes(payload));
  absl::StatusOr<Lsn> lsn = writer_->AppendBatch(spans);
  for (std::string& payload : payloads) {
    const uint64_t framed_bytes = FramedBytes(payload.size());
    TookLsn(lsn, std::move(payload));
    if (lsn.ok()) *lsn = *lsn + framed_bytes;
  }
}

void WalSimulation::AppendInPlace() {
  std::string payload = NewPayload();
  payload.resize(std::min<size_t>(payload.size(), writer_->reserve_bytes_max()));
  const uint32_t bytes = static_cast<uint32_t>(payload.size());
  auto place = writer_->Reserve(bytes);
  if (!place.ok()) return TookLsn(place.status(), "");
  if (random_.Below(8) == 0) return writer_->Cancel();
  const uint32_t used = static_cast<uint32_t>(random_.Between(bytes / 2, bytes));
  std::copy_n(reinterpret_cast<const std::byte*>(payload.data()), bytes, place->data());
  payload.resize(used);
  TookLsn(writer_->Commit(used), std::move(payload));
}

void WalSimulation::Truncate() {
  const std::vector<LogOracle::Record>& history = oracle_.history();
  if (history.empty()) return;
  const Lsn before = history[random_.Below(history.size())].lsn;
  if (before > writer_->durable()) return;
  disk_.Trace(absl::StrCat("SIM truncate before ", before.value()));
  oracle_.Truncated(before);  // also if it fails halfway
  const absl::Status truncated = writer_->TruncateBefore(before);
  ++totals_.truncations;
  if (!truncated.ok() && !Excused(truncated)) Problem(truncated.ToString());
}

void WalSimulation::Observe() {
  writer_->CheckInvariants();
  oracle_.Durable(writer_->durable());
}

}  // namespace corewal
