#include "io_backend/sim_names.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace corewal {

SimNames::Place SimNames::Find(const std::string& path) const {
  Place place{{0, ""}, kRoot};
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    place.name = {place.inode, std::string(part)};
    const auto it = live_.find(place.name);
    // What is looked for in a missing or plain file is found nowhere.
    place.inode = place.name.directory != 0 && it != live_.end() ? it->second : 0;
  }
  return place;
}

std::vector<std::pair<std::string, SimNames::Inode>> SimNames::List(Inode directory) const {
  std::vector<std::pair<std::string, Inode>> list;
  for (auto it = live_.lower_bound({directory, ""}); it != live_.end(); ++it) {
    if (it->first.directory != directory) break;
    list.emplace_back(it->first.name, it->second);
  }
  return list;
}

void SimNames::Change(std::vector<std::pair<Name, Inode>> entries) {
  unsynced_.push_back({++changes_, std::move(entries)});
  Apply(unsynced_.back(), live_);
}

void SimNames::Apply(const Unsynced& change, Entries& to) {
  for (const auto& [name, inode] : change.entries) {
    if (inode == 0) {
      to.erase(name);
    } else {
      to[name] = inode;
    }
  }
}

void SimNames::Sync(Inode directory, uint64_t up_to) {
  // Backwards: what came before, of the names that are to be synced, must be synced with them.
  std::set<Name> names;
  std::vector<bool> covered(unsynced_.size());
  for (size_t i = unsynced_.size(); i-- > 0;) {
    const Unsynced& change = unsynced_[i];
    if (change.number > up_to) continue;
    covered[i] = std::any_of(change.entries.begin(), change.entries.end(), [&](const auto& entry) {
      return entry.first.directory == directory || names.count(entry.first) > 0;
    });
    if (!covered[i]) continue;
    for (const auto& entry : change.entries) names.insert(entry.first);
  }
  std::vector<Unsynced> rest;
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    if (covered[i]) {
      Apply(unsynced_[i], durable_);
    } else {
      rest.push_back(std::move(unsynced_[i]));
    }
  }
  unsynced_ = std::move(rest);
}

void SimNames::LosePower(SimChoices& choices) {
  std::set<Name> lost;
  for (const Unsynced& change : unsynced_) {
    const bool possible = std::none_of(change.entries.begin(), change.entries.end(),
                                       [&](const auto& e) { return lost.count(e.first) > 0; });
    if (possible && choices.KeepName()) {
      Apply(change, durable_);
    } else {
      for (const auto& entry : change.entries) lost.insert(entry.first);
    }
  }
  unsynced_.clear();
  live_ = durable_;
}

std::set<SimNames::Inode> SimNames::Referenced() const {
  std::set<Inode> inodes = {kRoot};
  for (const auto& entry : live_) inodes.insert(entry.second);
  for (const auto& entry : durable_) inodes.insert(entry.second);
  for (const Unsynced& change : unsynced_) {
    for (const auto& entry : change.entries) inodes.insert(entry.second);
  }
  return inodes;
}

}  // namespace corewal
