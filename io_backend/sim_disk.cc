#include "io_backend/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace corewal {

SimDisk::SimDisk(uint64_t seed, const SimDiskOptions& options)
    : options_(options),
      random_(seed),
      timeline_([this] { Step(); }),
      capacity_bytes_(options.capacity_bytes) {
  auto root = std::make_unique<Inode>();
  root->number = SimNames::kRoot;
  root->directory = true;
  inodes_[SimNames::kRoot] = std::move(root);
}

bool SimDisk::Strike(SimFault fault) {
  const bool strikes = faults_.Strike(fault, random_);
  if (strikes) Trace(absl::StrCat("FAULT ", SimFaultName(fault)));
  return strikes;
}

void SimDisk::Detach(Process* process) {
  processes_.erase(std::remove(processes_.begin(), processes_.end(), process), processes_.end());
}

void SimDisk::CrashAfter(uint64_t actions, SimCrash mode) {
  crash_at_ = actions_ + actions;
  crash_mode_ = mode;
}

void SimDisk::Step() {
  if (actions_++ < crash_at_) return;
  Crash(crash_mode_);
}

void SimDisk::Crash(SimCrash mode) {
  crash_at_ = UINT64_MAX;
  ++crashes_;
  last_crash_ = mode;
  Trace(mode == SimCrash::kPowerLoss ? "POWER LOSS" : "PROCESS KILLED");
  choices_->Begin();
  // What was in flight takes effect, or not, before the rest is decided.
  const std::vector<Process*> processes = std::exchange(processes_, {});
  for (Process* process : processes) process->OnCrash(mode);
  stuck_.clear();
  locks_.clear();
  for (auto& inode : inodes_) inode.second->open_count = 0;
  if (mode == SimCrash::kPowerLoss) LosePower();
  DropUnreferenced();
}

void SimDisk::LosePower() {
  names_.LosePower(*choices_);
  for (auto& [number, inode] : inodes_) {
    inode->file.LosePower(*choices_, random_, faults_);
    ReleaseBeyond(*inode, inode->file.live().size());
  }
}

void SimDisk::ReleaseStuck() {
  for (const auto& [listener, slot] : std::exchange(stuck_, {})) {
    timeline_.Schedule(timeline_.Now(), listener, slot);
  }
}

void SimDisk::HoldStuck(SimTimeline::Listener* listener, uint32_t slot) {
  stuck_.emplace_back(listener, slot);
}

void SimDisk::DropStuck(const SimTimeline::Listener* listener) {
  stuck_.erase(std::remove_if(stuck_.begin(), stuck_.end(),
                              [&](const auto& held) { return held.first == listener; }),
               stuck_.end());
}

uint64_t SimDisk::free_bytes() const {
  const uint64_t charged = charged_blocks_ * kBlockBytes;
  return charged < capacity_bytes_ ? capacity_bytes_ - charged : 0;
}

SimDisk::Inode* SimDisk::Get(uint64_t number) {
  const auto it = inodes_.find(number);
  return it == inodes_.end() ? nullptr : it->second.get();
}

SimDisk::Inode* SimDisk::Find(const std::string& path) {
  const SimNames::Place place = names_.Find(path);
  return place.inode == 0 ? nullptr : Get(place.inode);
}

SimDisk::Inode& SimDisk::Create(bool directory) {
  auto inode = std::make_unique<Inode>();
  inode->number = ++last_inode_;
  inode->directory = directory;
  return *(inodes_[last_inode_] = std::move(inode));
}

void SimDisk::DropUnreferenced() {
  const std::set<SimNames::Inode> referenced = names_.Referenced();
  for (auto it = inodes_.begin(); it != inodes_.end();) {
    if (referenced.count(it->first) > 0 || it->second->open_count > 0) {
      ++it;
      continue;
    }
    charged_blocks_ -= it->second->blocks.size();
    it = inodes_.erase(it);
  }
}

uint64_t SimDisk::Charge(Inode& inode, uint64_t offset, uint64_t length) {
  const uint64_t end = offset + length;
  for (uint64_t at = offset; at < end; at = (at / kBlockBytes + 1) * kBlockBytes) {
    if (inode.blocks.count(at / kBlockBytes) > 0) continue;
    if (free_bytes() < kBlockBytes) return at - offset;
    inode.blocks.insert(at / kBlockBytes);
    ++charged_blocks_;
  }
  return length;
}

void SimDisk::ReleaseBeyond(Inode& inode, uint64_t size) {
  const auto first = inode.blocks.lower_bound((size + kBlockBytes - 1) / kBlockBytes);
  charged_blocks_ -= static_cast<uint64_t>(std::distance(first, inode.blocks.end()));
  inode.blocks.erase(first, inode.blocks.end());
}

void SimDisk::WriteCompleted(uint64_t write_id, uint64_t storage, uint64_t order) {
  completed_[write_id] = {storage, order, ++completed_writes_};
}

bool SimDisk::Covers(const SyncScope& scope, uint64_t write_id) const {
  const auto it = completed_.find(write_id);
  if (it == completed_.end()) return false;
  if (it->second.storage == scope.storage) return it->second.order <= scope.polled;
  return it->second.number <= scope.completed;
}

int SimDisk::Sync(Inode& inode, const SyncScope& scope) {
  const bool fails = Strike(SimFault::kSyncEio);
  if (inode.directory) {
    if (fails) return EIO;
    if (Strike(SimFault::kLostDirectoryEntry)) return 0;
    names_.Sync(inode.number, scope.names);
    DropUnreferenced();
    return 0;
  }
  if (fails) {
    inode.file.ForgetUnsynced(random_);
    return EIO;
  }
  if (Strike(SimFault::kLyingSync)) return 0;
  inode.file.MakeDurable([&](uint64_t write_id) { return Covers(scope, write_id); });
  const uint64_t bytes = inode.file.durable().size();
  if (bytes > 0 && Strike(SimFault::kBitRot)) {
    const uint64_t offset = random_.Below(bytes);
    inode.file.FlipBit(offset, static_cast<uint32_t>(random_.Below(8)));
    Trace(absl::StrCat("  bit rot in inode ", inode.number, " at offset ", offset));
  }
  return 0;
}

std::string SimDisk::DurableImage() const {
  std::string image;
  for (const auto& [name, number] : names_.durable()) {
    absl::StrAppend(&image, name.directory, "/", name.name, " -> ", number);
    const auto it = inodes_.find(number);
    CHECK(it != inodes_.end()) << "a durable name of no inode: " << name.name;
    const std::string& bytes = it->second->file.durable();
    absl::StrAppend(&image, ", ", bytes.size(), " bytes\n", bytes, "\n");
  }
  return image;
}

uint64_t SimDisk::UnsyncedSectors(const std::string& path) const {
  const SimNames::Place place = names_.Find(path);
  const auto it = inodes_.find(place.inode);
  CHECK(it != inodes_.end()) << path;
  return it->second->file.unsynced_sectors();
}

void SimDisk::FlipBit(const std::string& path, uint64_t offset, uint32_t bit) {
  Inode* const inode = Find(path);
  CHECK(inode != nullptr) << path;
  inode->file.FlipBit(offset, bit);
  Trace(absl::StrCat("flip bit ", bit, " of ", path, " at offset ", offset));
}

uint64_t SimDisk::LockHolder(const std::string& path) const {
  const auto it = locks_.find(path);
  return it == locks_.end() ? 0 : it->second;
}

void SimDisk::SetLock(const std::string& path, uint64_t holder) {
  if (holder == 0) {
    locks_.erase(path);
  } else {
    locks_[path] = holder;
  }
}

}  // namespace corewal
