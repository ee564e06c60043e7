#include "tests/sim/wal_simulation.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr char kDirectory[] = "/log/shard-0000";

SimDiskOptions DiskOf(uint64_t seed) {
  SimDiskOptions options;
  if (seed % 5 == 0) options.capacity_bytes = 1u << 20;  // tight: fills up
  if (seed % 7 == 0) options.sync = options.transfer;
  return options;
}

}  // namespace

void WalSimulation::Totals::Add(const Totals& other) {
  lives += other.lives;
  appended += other.appended;
  recovered += other.recovered;
  crashes += other.crashes;
  rolls += other.rolls;
  truncations += other.truncations;
  spanning += other.spanning;
  seals += other.seals;
  streamed += other.streamed;
  given_up += other.given_up;
  followed += other.followed;
  failures += other.failures;
  rot_reported += other.rot_reported;
  cuts += other.cuts;
  holes += other.holes;
  cursors_set += other.cursors_set;
  cursors_invalidated += other.cursors_invalidated;
  limited += other.limited;
  damage_reported += other.damage_reported;
  lost += other.lost;
}

std::string WalSimulation::Totals::ToString() const {
  return absl::StrCat(
      lives, " lives, ", crashes, " crashes, ", appended, " appended (", spanning,
      " over several batches, ", streamed, " in parts; ", given_up, " given up), ", recovered,
      " read back, ", followed, " followed, ", rolls, " rolls, ", truncations, " truncations, ",
      seals, " seals, ", failures, " writers failed by injected errors, ", rot_reported,
      " rotten logs reported, ", cuts, " cut at the damage, ", holes, " gone on with behind it, ",
      cursors_set, " cursors set, ", cursors_invalidated, " invalidated, ", limited,
      " lives with a limit of size, ", damage_reported, " broken devices noticed by the ", "log, ",
      lost, " by the oracle alone");
}

WalSimulation::WalSimulation(uint64_t seed, std::optional<SimFault> broken)
    : seed_(seed), broken_(broken), random_(seed * 2 + 1), disk_(seed, DiskOf(seed)) {
  options_.directory = kDirectory;
  options_.uuid.bytes.fill(std::byte{7});
  options_.segment_bytes = (64u << 10) << random_.Below(3);
}

uint64_t WalSimulation::Digest() const {
  SimTrace all;
  all.Add(absl::StrCat(disk_.trace().digest(), " ", disk_.trace().actions(), " ", disk_.actions(),
                       " ", disk_.clock().Now()));
  all.Add(disk_.DurableImage());
  return all.digest();
}

// Each life may be that of another program version, with other settings.
void WalSimulation::ChooseSetting() {
  constexpr Style kStyles[] = {Style::kMixed, Style::kMixed,      Style::kSmall,
                               Style::kLarge, Style::kTruncating, Style::kIdle};
  style_ = kStyles[random_.Below(std::size(kStyles))];
  const bool few = style_ == Style::kLarge || random_.Below(4) == 0;
  io_options_.buffers = few ? 3 : static_cast<uint32_t>(random_.Between(4, 8));
  io_options_.buffer_bytes = random_.Below(2) == 0 ? 16 << 10 : 32 << 10;
  buffer_lent_ = style_ == Style::kLarge && random_.Below(4) != 0;
  io_options_.queue_depth = io_options_.buffers + 8;
  options_.direct = random_.Below(2) == 0 ? DirectMode::kOn : DirectMode::kOff;
  const bool dsync = random_.Below(6) < (style_ == Style::kLarge ? 5 : 2);
  options_.sync_method = dsync ? SyncMethod::kDsync : SyncMethod::kDatasync;
  if (random_.Below(6) == 0) options_.segment_bytes = (64u << 10) << random_.Below(3);
  options_.segments_ready = static_cast<uint32_t>(random_.Between(1, 3));
  options_.segments_first = random_.Below(8) == 0 ? 4 : 0;
  options_.sync_delay_us_max = random_.Below(2) == 0 ? 0 : 300;
  options_.sync_bytes_max = random_.Below(2) == 0 ? 8u << 20 : 16u << 10;
  if (random_.Below(4) == 0) options_.write_bytes_max = 8u << 10;
  options_.seal_after_us = random_.Below(3) == 0 ? 20'000 : 500;
  if (style_ == Style::kIdle) options_.seal_after_us = 1000;
  // So that the log is idle inside a record too, whenever that waits for a buffer.
  if (style_ == Style::kLarge) options_.seal_after_us = 10;
  options_.callbacks_max = random_.Below(8) == 0 ? 4 : 16384;
  const uint64_t segments_max = random_.Below(4) == 0 ? random_.Between(2, 8) : 0;
  options_.log_bytes_max = segments_max * options_.segment_bytes;
  options_.cursor_lag_bytes_max =
      random_.Below(2) == 0 ? 0 : options_.segment_bytes * random_.Between(1, 4);
  options_.incarnation_random = static_cast<uint32_t>(random_.Next());
}

// What a log must cope with; and, if the device is broken, what breaks it.
void WalSimulation::ChooseFaults() {
  disk_.faults().AllOff();
  errors_injected_ = stuck_ = false;
  const auto set = [this](SimFault fault, uint32_t per_million) {
    disk_.faults().Set(fault, {.per_million = per_million});
  };
  set(SimFault::kTornSector, 100'000);
  const uint64_t late = random_.Below(4);
  if (late < 2) set(SimFault::kLateCompletion, late == 0 ? 20'000 : 200'000);
  if (random_.Below(2) == 0) set(SimFault::kReorder, 100'000);
  if (random_.Below(2) == 0) set(SimFault::kShortWrite, 50'000);
  if (broken_.has_value()) {
    errors_injected_ = true;
    const bool rare = *broken_ == SimFault::kBitRot || *broken_ == SimFault::kMisdirectedWrite;
    return set(*broken_, rare ? 20'000 : 200'000);
  }
  if (random_.Below(4) != 0) return;
  errors_injected_ = true;
  set(SimFault::kWriteEio, 2'000);
  set(SimFault::kShortForGood, 2'000);
  set(SimFault::kSyncEio, random_.Below(2) == 0 ? 4'000 : 50'000);
  set(SimFault::kEnospc, 5'000);
  set(SimFault::kReadEio, 1'000);
  stuck_ = random_.Below(3) == 0;
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
  if (buffer_lent_) lent_buffer_ = *io_->AcquireBuffer();
  last_called_back_ = Lsn();
  parts_.reset();
}

void WalSimulation::Shutdown() {
  follower_.reset();
  writer_.reset();
  lent_buffer_.Return();
  io_.reset();
  files_.reset();
}

std::string WalSimulation::Run() {
  ChooseSetting();
  Boot();
  CHECK_OK(files_->CreateDirectories(kDirectory));
  Shutdown();
  const uint64_t lives = random_.Between(3, 6);
  for (uint64_t life = 0; life < lives && Good(); ++life) {
    ChooseSetting();
    ChooseFaults();
    const SimCrash mode = random_.Below(4) == 0 ? SimCrash::kProcessKill : SimCrash::kPowerLoss;
    // Often early: opening, recovering and the first segment are where the edges are.
    disk_.CrashAfter(random_.Below(random_.Below(3) == 0 ? 60 : 1500), mode);
    Live();
  }
  disk_.CancelCrash();
  disk_.faults().AllOff();
  totals_.crashes = disk_.crashes();
  if (!Good()) return problem_;
  ChooseSetting();
  Boot();
  errors_injected_ = broken_.has_value();
  stuck_ = false;
  if (!Recover() && Good() && !broken_.has_value()) Problem("the log cannot be opened after all");
  Shutdown();
  return problem_;
}

void WalSimulation::Live() {
  ++totals_.lives;
  Boot();
  bool failed = true;
  if (Recover()) {
    if (stuck_) disk_.faults().Set(SimFault::kStuck, {.per_million = 10'000});
    if (state_ == State::kWhole && random_.Below(3) == 0) StartFollower();
    const uint64_t steps = random_.Between(1, 400);
    for (uint64_t i = 0; i < steps && Good() && !Crashed() && writer_->failure().ok(); ++i) {
      Step();
      Observe();
    }
    if (Good() && !Crashed() && !stuck_ && writer_->failure().ok() && random_.Below(3) == 0) {
      CloseAndRot();
    }
    failed = !writer_->failure().ok();
    if (failed && !Crashed()) ++totals_.failures;
    totals_.rolls += writer_->stats().rolls;
    totals_.seals += writer_->stats().seals;
  }
  // A device that reported an error may have lost what its page cache still shows, and there is no
  // opening the log before the power was cycled (recovery.h).
  const bool lied = failed || disk_.faults().strikes(SimFault::kSyncEio) > 0;
  const bool lose_power = lied || random_.Below(2) == 0;
  if (options_.log_bytes_max != 0) ++totals_.limited;
  if (!Crashed()) disk_.Crash(lose_power ? SimCrash::kPowerLoss : SimCrash::kProcessKill);
  Shutdown();  // what was reached before the crash may still be told, and is true
  if (lied && disk_.last_crash() == SimCrash::kProcessKill) disk_.Crash(SimCrash::kPowerLoss);
  if (disk_.last_crash() == SimCrash::kPowerLoss) oracle_.PowerLost();
}

void WalSimulation::Judged(const LogOracle::Verdict& verdict, const std::string& where) {
  if (verdict.good()) return;
  if (broken_.has_value() && verdict.kind == LogOracle::Verdict::Kind::kLost) {
    ++totals_.lost;
    over_ = true;
    return;
  }
  Problem(absl::StrCat(verdict.text, "; ", where));
}

bool WalSimulation::Read(LogReaderOptions options, std::vector<LogOracle::Record>* records,
                         absl::Status* end) {
  options.direct = options_.direct;
  auto reader = LogReader::Open(*files_, *io_, kDirectory, options);
  if (!reader.ok()) {
    *end = reader.status();
    return false;
  }
  RecordView record;
  while ((*reader)->Next(&record)) {
    records->push_back(
        {record.lsn,
         std::string(reinterpret_cast<const char*>(record.payload.data()), record.payload.size()),
         static_cast<uint8_t>(record.type)});
  }
  *end = (*reader)->end().ToStatus();
  skipped_ = (*reader)->skipped().size();
  read_end_ = (*reader)->end().lsn;
  lost_.clear();
  for (const SkippedRange& range : (*reader)->skipped()) lost_.push_back({range.begin, range.end});
  disk_.Trace(absl::StrCat("SIM read ", records->size(), " records from lsn ", options.from.value(),
                           "; ", (*reader)->end().ToString()));
  return end->ok();
}

bool WalSimulation::ReadBack() {
  std::vector<LogOracle::Record> records;
  absl::Status end;
  oracle_.HeldFrom(cursors_.Floor());
  // Over a hole strict reading ends; told to go on, it must find the same every time.
  LogReaderOptions options;
  // What a broken device has eaten nobody judges but by its report, so there reading is strict.
  options.skip_damaged = state_ == State::kHole || (random_.Below(4) == 0 && !broken_.has_value());
  // Nobody has opened the log since it was damaged: that ends it where it will be cut.
  const bool cut_awaited = state_ == State::kToBeCut;
  if (cut_awaited) options.skip_damaged = false;
  if (!Read(options, &records, &end) && !(cut_awaited && absl::IsDataLoss(end))) {
    if (absl::IsDataLoss(end) && broken_.has_value()) {
      ++totals_.damage_reported;
      over_ = true;
    } else if (absl::IsDataLoss(end) || !Excused(end)) {
      Problem(absl::StrCat("read: ", end.ToString()));
    }
    return false;
  }
  totals_.recovered += records.size();
  if (skipped_ != 0 && state_ == State::kWhole && !broken_.has_value()) {
    Problem(absl::StrCat("DATA_LOSS: ", skipped_, " ranges skipped, in a log that is whole"));
  }
  Judged(oracle_.Recovered(records), "read back");
  return Good();
}

// Reading may begin anywhere: the same records from there on.
void WalSimulation::ReadFromTheMiddle() {
  const std::vector<LogOracle::Record>& history = oracle_.history();
  if (history.empty()) return;
  const LogOracle::Record& from = history[random_.Below(history.size())];
  if (from.lsn < oracle_.may_be_gone_before()) return;
  std::vector<LogOracle::Record> records;
  absl::Status end;
  const bool skip = state_ == State::kHole;
  if (!Read({.from = from.lsn, .skip_damaged = skip}, &records, &end)) {
    if (absl::IsDataLoss(end) && broken_.has_value()) return;
    if (absl::IsDataLoss(end) || !Excused(end)) {
      Problem(absl::StrCat("read from lsn ", from.lsn.value(), ": ", end.ToString()));
    }
    return;
  }
  const bool begins_there = !records.empty() && records.front().lsn == from.lsn;
  if (!begins_there) return Problem("reading from a record's lsn does not begin with it");
  const auto behind = static_cast<uint64_t>(&history.back() - &from) + 1;
  if (records.size() != behind) {
    Problem(absl::StrCat("reading from lsn ", from.lsn.value(), " gave ", records.size(),
                         " records instead of ", behind));
  }
}

bool WalSimulation::Recover() {
  // Readers must leave everything as it was.
  const bool only_reads = random_.Below(8) == 0;
  const std::string before = only_reads ? LiveImage() : "";
  if (!ReadBack()) return false;
  if (state_ != State::kToBeCut && random_.Below(4) == 0) ReadFromTheMiddle();
  // Without damage all modes find the same.
  constexpr RecoveryMode kModes[] = {RecoveryMode::kStrict, RecoveryMode::kStopAtDamage,
                                     RecoveryMode::kSkipDamaged};
  const size_t modes = std::size(kModes) - (broken_.has_value() ? 1 : 0);
  const RecoveryMode mode = state_ == State::kWhole ? kModes[random_.Below(modes)] : damage_mode_;
  const auto recovered = RecoverLog(*files_, *io_, kDirectory, options_.uuid, mode);
  if (!recovered.ok()) {
    const bool damaged = absl::IsDataLoss(recovered.status()) && !broken_.has_value();
    if (damaged || !Excused(recovered.status())) Problem(recovered.status().ToString());
    return false;
  }
  const bool damage_found = recovered->end.end == LogEnd::kDamaged || !recovered->skipped.empty();
  if (damage_found && state_ == State::kWhole && !broken_.has_value()) {
    Problem(absl::StrCat("recovery found damage where the reader found none: ",
                         recovered->end.ToString()));
  }
  disk_.Trace(absl::StrCat("SIM recovered: ", recovered->end.ToString()));
  if (only_reads && Good() && !before.empty()) {
    const std::string after = LiveImage();
    if (!after.empty() && after != before) Problem("WRONG: reading has changed the log");
  }
  if (random_.Below(12) == 0) {  // a program that only replays
    const absl::Status synced = SyncRecovered(*files_, kDirectory, *recovered);
    if (synced.ok() && !Crashed()) oracle_.Opened();
    if (!synced.ok() && !Excused(synced)) Problem(absl::StrCat("sync: ", synced.ToString()));
    if (!synced.ok() || Crashed()) return false;
  }
  return OpenWriter(*recovered);
}

bool WalSimulation::OpenWriter(const RecoveredLog& recovered) {
  auto writer = LogWriter::Open(*files_, *io_, disk_.clock(), options_, recovered);
  if (!writer.ok()) {
    if (!Excused(writer.status())) Problem(absl::StrCat("open: ", writer.status().ToString()));
    return false;
  }
  writer_ = *std::move(writer);
  oracle_.Opened();
  if (state_ == State::kToBeCut) state_ = State::kWhole;
  bytes_at_opening_ = writer_->log_bytes();
  return CheckCursorsFound();
}

}  // namespace corewal
