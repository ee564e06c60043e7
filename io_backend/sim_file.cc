#include "io_backend/sim_file.h"

#include <algorithm>

#include "base/check.h"

namespace corewal {

void SimFile::Write(uint64_t write_id, uint64_t offset, absl::string_view bytes) {
  if (bytes.empty()) return;
  const uint64_t end = offset + bytes.size();
  Extend(write_id, end);
  live_.replace(offset, bytes.size(), bytes.data(), bytes.size());
  for (uint64_t sector = offset / kSectorBytes; sector * kSectorBytes < end; ++sector) {
    AddVersion(write_id, sector);
  }
}

void SimFile::AddVersion(uint64_t write_id, uint64_t sector) {
  std::string bytes = live_.substr(sector * kSectorBytes, kSectorBytes);
  bytes.resize(kSectorBytes);
  unsynced_[sector].push_back({write_id, std::move(bytes)});
}

void SimFile::Extend(uint64_t write_id, uint64_t size) {
  if (size > live_.size()) live_.resize(size);
  if (size > durable_.size()) sizes_.push_back({write_id, size, false});
}

void SimFile::SetSize(uint64_t write_id, uint64_t size) {
  const bool cut = size < live_.size();
  live_.resize(size);
  sizes_.push_back({write_id, size, true});
  if (!cut) return;
  unsynced_.erase(unsynced_.lower_bound((size + kSectorBytes - 1) / kSectorBytes), unsynced_.end());
  // So that what stood behind the cut does not come back when the file grows again.
  if (size % kSectorBytes != 0) AddVersion(write_id, size / kSectorBytes);
}

void SimFile::ApplySize(const SizeChange& change) {
  if (change.exact || change.size > durable_.size()) durable_.resize(change.size);
}

void SimFile::ApplySector(uint64_t sector, const std::string& bytes) {
  const uint64_t offset = sector * kSectorBytes;
  if (offset >= durable_.size()) return;
  const uint64_t length = std::min(kSectorBytes, durable_.size() - offset);
  durable_.replace(offset, length, bytes, 0, length);
}

void SimFile::MakeDurable(const Covers& covers) {
  std::vector<SizeChange> rest;
  for (const SizeChange& change : sizes_) {
    if (covers(change.write_id)) {
      ApplySize(change);
    } else {
      rest.push_back(change);
    }
  }
  sizes_ = std::move(rest);
  for (auto it = unsynced_.begin(); it != unsynced_.end();) {
    std::vector<Version>& versions = it->second;
    const auto last = std::find_if(versions.rbegin(), versions.rend(),
                                   [&](const Version& v) { return covers(v.write_id); });
    if (last != versions.rend()) {
      ApplySector(it->first, last->bytes);
      versions.erase(versions.begin(), last.base());
    }
    it = versions.empty() ? unsynced_.erase(it) : std::next(it);
  }
}

void SimFile::ForgetUnsynced(SeededRandom& random) {
  for (const SizeChange& change : sizes_) ApplySize(change);
  sizes_.clear();
  for (const auto& [sector, versions] : unsynced_) {
    if (random.Below(2) == 0) ApplySector(sector, versions.back().bytes);
  }
  unsynced_.clear();
}

std::string SimFile::DurableSector(uint64_t sector) const {
  std::string bytes;
  if (durable_.size() > sector * kSectorBytes) {
    bytes = durable_.substr(sector * kSectorBytes, kSectorBytes);
  }
  bytes.resize(kSectorBytes);
  return bytes;
}

void SimFile::LosePower(SimChoices& choices, SeededRandom& random, SimFaults& faults) {
  for (const SizeChange& change : sizes_) {
    if (!choices.KeepSize()) break;
    ApplySize(change);
  }
  sizes_.clear();
  for (const auto& [sector, versions] : unsynced_) {
    const std::string old = DurableSector(sector);
    std::vector<const std::string*> different;  // from the durable one, and from one another
    for (const Version& version : versions) {
      const auto is_it = [&](const std::string* seen) { return *seen == version.bytes; };
      const bool seen = std::any_of(different.begin(), different.end(), is_it);
      if (version.bytes != old && !seen) different.push_back(&version.bytes);
    }
    if (different.empty()) continue;
    const uint64_t chosen = choices.SectorVersion(different.size());
    if (chosen == 0) continue;
    std::string bytes = *different[chosen - 1];
    if (faults.Strike(SimFault::kTornSector, random)) {
      const uint64_t cut = random.Between(1, kSectorBytes - 1);
      bytes.replace(cut, std::string::npos, old, cut, std::string::npos);
    }
    ApplySector(sector, bytes);
  }
  unsynced_.clear();
  live_ = durable_;
}

void SimFile::FlipBit(uint64_t offset, uint32_t bit) {
  CHECK_LT(offset, durable_.size());
  CHECK_LT(bit, 8u);
  durable_[offset] = static_cast<char>(durable_[offset] ^ (1 << bit));
  // What is newer than durable is not on the medium yet.
  if (offset < live_.size() && unsynced_.count(offset / kSectorBytes) == 0) {
    live_[offset] = static_cast<char>(live_[offset] ^ (1 << bit));
  }
}

}  // namespace corewal
