// io_backend/sim_names.h: the directory entries of a simulated disk, live and durable.
//
// An entry is (directory, name) -> inode. A create, rename or remove changes the live entries at
// once and is durable only when its directory was synced. At a power loss any subset of the
// unsynced changes survives that keeps, per name, their order: a change survives only if all
// earlier ones of its names did. A rename is one change of two names: both or neither.
// Thread: that of the SimDisk.
#ifndef COREWAL_IO_BACKEND_SIM_NAMES_H_
#define COREWAL_IO_BACKEND_SIM_NAMES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io_backend/sim_choices.h"

namespace corewal {

class SimNames {
 public:
  using Inode = uint64_t;  // 0: none
  static constexpr Inode kRoot = 1;
  struct Name {
    Inode directory = 0;
    std::string name;
    friend auto operator<=>(const Name&, const Name&) = default;
  };
  // Where a path leads. `name.directory` is 0 if something on the way is missing or no directory.
  struct Place {
    Name name;
    Inode inode = 0;
  };

  Place Find(const std::string& path) const;
  std::vector<std::pair<std::string, Inode>> List(Inode directory) const;

  void Link(const Name& name, Inode inode) { Change({{name, inode}}); }
  void Unlink(const Name& name) { Change({{name, 0}}); }
  // Replaces what `to` was.
  void Rename(const Name& from, const Name& to, Inode inode) { Change({{from, 0}, {to, inode}}); }

  // Counts the changes; a sync covers those up to its number.
  uint64_t changes() const { return changes_; }
  void Sync(Inode directory, uint64_t up_to);
  void LosePower(SimChoices& choices);

  // Every inode that some entry names, live, durable, or perhaps after a power loss.
  std::set<Inode> Referenced() const;
  const std::map<Name, Inode>& durable() const { return durable_; }

 private:
  struct Unsynced {
    uint64_t number;
    std::vector<std::pair<Name, Inode>> entries;
  };
  using Entries = std::map<Name, Inode>;
  void Change(std::vector<std::pair<Name, Inode>> entries);
  static void Apply(const Unsynced& change, Entries& to);

  Entries live_;
  Entries durable_;
  std::vector<Unsynced> unsynced_;  // in order
  uint64_t changes_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_NAMES_H_
