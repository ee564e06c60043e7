// io_backend/sim_choices.h: who decides what a power loss keeps.
//
// SeededChoices leaves it to chance. A test that wants every outcome brings its own and replays the
// same story until all answers have been given.
// Thread: that of the SimDisk.
#ifndef COREWAL_IO_BACKEND_SIM_CHOICES_H_
#define COREWAL_IO_BACKEND_SIM_CHOICES_H_

#include <cstdint>
#include <iterator>

#include "base/seeded_random.h"

namespace corewal {

class SimChoices {
 public:
  virtual ~SimChoices() = default;
  // A crash begins.
  virtual void Begin() = 0;
  // A write in flight: does the device take it (then its sectors are unsynced ones)?
  virtual bool TakeInFlight() = 0;
  virtual bool KeepName() = 0;  // an unsynced change of a directory
  virtual bool KeepSize() = 0;  // an unsynced change of a file's size
  // An unsynced sector: 0 for what is durable, else which of its `versions` newer contents.
  virtual uint64_t SectorVersion(uint64_t versions) = 0;
};

// Chances differ from loss to loss, so that all and nothing come up too.
class SeededChoices final : public SimChoices {
 public:
  explicit SeededChoices(SeededRandom& random) : random_(random) {}
  void Begin() override {
    constexpr uint32_t kKeep[] = {0, 100'000, 500'000, 500'000, 900'000, SeededRandom::kMillion};
    keep_sectors_ = kKeep[random_.Below(std::size(kKeep))];
    keep_names_ = kKeep[random_.Below(std::size(kKeep))];
  }
  bool TakeInFlight() override { return random_.Below(2) != 0; }
  bool KeepName() override { return random_.Chance(keep_names_); }
  bool KeepSize() override { return random_.Chance(keep_sectors_); }
  uint64_t SectorVersion(uint64_t versions) override {
    return random_.Chance(keep_sectors_) ? 1 + random_.Below(versions) : 0;
  }

 private:
  SeededRandom& random_;
  uint32_t keep_sectors_ = 0;
  uint32_t keep_names_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SIM_CHOICES_H_
