// What a simulated log goes through that keeps it from being whole: rot in a closed log, and going
// on with what is left.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sim/wal_simulation.h"
#include "wal/segment_set.h"

namespace corewal {

void WalSimulation::CloseAndRot() {
  disk_.Trace("SIM close");
  const bool sealed = writer_->stats().batches > 0 || writer_->appended() > writer_->submitted();
  const absl::Status closed = writer_->Close();
  if (!closed.ok() && !Excused(closed)) Problem(absl::StrCat("Close: ", closed.ToString()));
  Observe();
  parts_.reset();
  // Behind pieces of a record that was given up there is no seal.
  const bool ends_inside_a_record = writer_->durable() < writer_->submitted();
  if (closed.ok() && sealed && !ends_inside_a_record && !Crashed() && !errors_injected_) Rot();
}

// The bytes of every file, as programs see them. Empty: it cannot be said, for an error or a crash.
std::string WalSimulation::LiveImage() {
  const auto entries = files_->List(options_.directory);
  if (!entries.ok() || Crashed()) return "";
  std::string image = "files:\n";
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = absl::StrCat(options_.directory, "/", entry.name);
    const SimDisk::Inode* const inode = disk_.Find(path);
    if (inode != nullptr) absl::StrAppend(&image, entry.name, "\n", inode->file.live(), "\n");
  }
  return image;
}

// In a closed log every record has a witness, so no bit of it may rot unnoticed.
void WalSimulation::Rot() {
  if (state_ != State::kWhole) return;
  const auto entries = files_->List(options_.directory);
  if (!entries.ok() || entries->empty()) return;
  const DirectoryEntry& entry = (*entries)[random_.Below(entries->size())];
  const std::string path = absl::StrCat(options_.directory, "/", entry.name);
  const uint64_t bytes = disk_.Find(path)->file.durable().size();
  if (bytes == 0 || !ParseSegmentFileName(entry.name).has_value()) return;
  const uint64_t offset = random_.Below(2) == 0
                              ? random_.Below(bytes)
                              : random_.Below(bytes / 4096 + 1) * 4096 % bytes + random_.Below(64);
  if (offset >= bytes) return;
  const uint32_t bit = static_cast<uint32_t>(random_.Below(8));
  disk_.FlipBit(path, offset, bit);
  if (!ReadRotten()) disk_.FlipBit(path, offset, bit);
}

// True: the rot stays, and whoever opens the log next has to cope with it.
bool WalSimulation::ReadRotten() {
  std::vector<LogOracle::Record> records;
  absl::Status end;
  oracle_.HeldFrom(cursors_.Floor());
  if (Read({}, &records, &end)) {
    Judged(oracle_.Judge(records), "one bit has rotted in a closed log");
    return false;
  }
  if (!absl::IsDataLoss(end)) {
    if (!Excused(end)) Problem(absl::StrCat("a rotten bit: ", end.ToString()));
    return false;
  }
  ++totals_.rot_reported;
  const LogOracle::Verdict verdict = oracle_.Judge(records);
  if (verdict.kind == LogOracle::Verdict::Kind::kWrong) Judged(verdict, "before rot");
  std::vector<LogOracle::Record> around;
  const bool to_the_end = Read({.skip_damaged = true}, &around, &end);
  if (!to_the_end && !absl::IsDataLoss(end)) {
    if (!Excused(end)) Problem(absl::StrCat("around a rotten bit: ", end.ToString()));
    return false;
  }
  if (skipped_ == 0 && to_the_end) Problem("WRONG: damage was passed over, and not reported");
  if (!to_the_end) lost_.push_back({read_end_, Lsn(UINT64_MAX)});
  Judged(oracle_.JudgeAround(around, lost_), "around a rotten bit");
  if (!Good() || Crashed() || random_.Below(2) == 0) return false;
  if (oracle_.AnyDropped(around)) return false;
  return GoOnWithRot(std::move(records), std::move(around));
}

// An opening that stops at damage cuts the log there if it comes upon it: damage before what it
// reads stays, as a hole, and so does what it is told to skip.
bool WalSimulation::GoOnWithRot(std::vector<LogOracle::Record> before,
                                std::vector<LogOracle::Record> around) {
  // The seal is all that bears witness to the last batch, and nobody has synced it.
  if (!SyncEverything()) return false;
  const RecoveryMode mode =
      random_.Below(2) == 0 ? RecoveryMode::kStopAtDamage : RecoveryMode::kSkipDamaged;
  const auto recovered = RecoverLog(*files_, *io_, options_.directory, options_.uuid, mode);
  if (!recovered.ok()) {
    if (!Excused(recovered.status())) Problem(recovered.status().ToString());
    return false;
  }
  damage_mode_ = mode;
  followed_to_ = Lsn();
  if (recovered->end.end != LogEnd::kDamaged) {
    disk_.Trace("SIM the log goes on behind the rot");
    state_ = State::kHole;
    oracle_.LeftOver(std::move(around));
    ++totals_.holes;
    return true;
  }
  disk_.Trace("SIM the log will be cut at the rot");
  state_ = State::kToBeCut;
  oracle_.CutTo(mode == RecoveryMode::kSkipDamaged ? std::move(around) : std::move(before));
  ++totals_.cuts;
  return true;
}

bool WalSimulation::SyncEverything() {
  const auto entries = files_->List(options_.directory);
  if (!entries.ok()) return false;
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = absl::StrCat(options_.directory, "/", entry.name);
    const SimDisk::Inode* const inode = disk_.Find(path);
    if (inode == nullptr || !files_->Resize(path, inode->file.live().size()).ok()) return false;
  }
  return files_->SyncDirectory(options_.directory).ok() && !Crashed();
}

}  // namespace corewal
