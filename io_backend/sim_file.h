// io_backend/sim_file.h: the bytes of one simulated file, twice: as programs see them, and as they
// would be after a power loss.
//
//   live      what reads return: every write that took effect
//   durable   what has been synced
//   unsynced  per 512-byte sector, in order, the contents it had since; and the changes of size
//
// A write is named by its id. A sync moves to durable what the writes that it covers brought; what
// others brought stays unsynced, and at a power loss each such sector, for itself, shows any one of
// its contents: the durable one or one of those since.
// Thread: that of the SimDisk.
#ifndef COREWAL_IO_BACKEND_SIM_FILE_H_
#define COREWAL_IO_BACKEND_SIM_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/seeded_random.h"
#include "io_backend/sim_choices.h"
#include "io_backend/sim_faults.h"

namespace corewal {

class SimFile {
 public:
  static constexpr uint64_t kSectorBytes = 512;
  using Covers = std::function<bool(uint64_t write_id)>;

  void Write(uint64_t write_id, uint64_t offset, absl::string_view bytes);
  void Extend(uint64_t write_id, uint64_t size);   // to at least
  void SetSize(uint64_t write_id, uint64_t size);  // cut or extend

  void MakeDurable(const Covers& covers);
  // A sync failed: each unsynced sector is durable or forgotten; live shows it all the same.
  void ForgetUnsynced(SeededRandom& random);
  // Power loss: keeps of what is unsynced what `choices` says, then live is what is durable.
  // `random` is for torn sectors.
  void LosePower(SimChoices& choices, SeededRandom& random, SimFaults& faults);
  // In live and durable alike. The byte must exist.
  void FlipBit(uint64_t offset, uint32_t bit);

  const std::string& live() const { return live_; }
  const std::string& durable() const { return durable_; }
  uint64_t unsynced_sectors() const { return unsynced_.size(); }

 private:
  struct Version {
    uint64_t write_id;
    std::string bytes;  // of the whole sector, zeros beyond the end of the file
  };
  struct SizeChange {
    uint64_t write_id;
    uint64_t size;
    bool exact;  // SetSize; else at least
  };
  void AddVersion(uint64_t write_id, uint64_t sector);
  std::string DurableSector(uint64_t sector) const;
  void ApplySize(const SizeChange& change);
  void ApplySector(uint64_t sector, const std::string& bytes);

  std::string live_;
  std::string durable_;
  std::map<uint64_t, std::vector<Version>> unsynced_;
  std::vector<SizeChange> sizes_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_FILE_H_
