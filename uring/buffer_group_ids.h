// uring/buffer_group_ids.h: who has which buffer-group id of one ring.
//
//            Lease()                    lease destroyed
//     free ----------> leased ------------------------------> free, with the next generation
//                        |      Retire(): the kernel did not let go
//                        +----------------------------------> never given out again
//
// A buffer-group id has 16 bits and belongs to one ring; registering one that is registered is
// EEXIST (io_uring_register(2), IORING_REGISTER_PBUF_RING). So an id is given out again only after
// its lease is gone, however many leases there have been. A counter would meet itself after 65536.
// Thread: the ring's. Allocates nothing after construction; 16 bytes an id.
#ifndef COREWAL_URING_BUFFER_GROUP_IDS_H_
#define COREWAL_URING_BUFFER_GROUP_IDS_H_

#include <cstdint>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/slot_table.h"

namespace corewal {

class BufferGroupIds;

// The right to register a buffer group under id(); move-only. Must not outlive its BufferGroupIds
// (CHECKed there).
class BufferGroupLease {
 public:
  BufferGroupLease() = default;
  BufferGroupLease(BufferGroupLease&& other) noexcept { *this = std::move(other); }
  BufferGroupLease& operator=(BufferGroupLease&& other) noexcept;
  ~BufferGroupLease() { Return(); }

  explicit operator bool() const { return ids_ != nullptr; }
  uint16_t id() const { return static_cast<uint16_t>(slot_.index); }
  // Changes each time that the id is leased, so that what was meant for an earlier group is told.
  uint32_t generation() const { return slot_.generation; }

  // The group is unregistered: the id may be given out again.
  void Return();
  // It could not be unregistered: the id is lost to this ring.
  void Retire();

 private:
  friend class BufferGroupIds;
  BufferGroupLease(BufferGroupIds* ids, SlotId slot) : ids_(ids), slot_(slot) {}

  BufferGroupIds* ids_ = nullptr;
  SlotId slot_;
};

class BufferGroupIds {
 public:
  static constexpr uint32_t kIdsMax = 1u << 16;

  // How near the end is; meant for a warning in a log or a metric.
  enum class Pressure : uint8_t {
    kNone,
    kHigh,      // three quarters are taken
    kCritical,  // fifteen sixteenths are
    kExhausted,
  };
  struct Stats {
    uint64_t leases = 0;     // given out since construction
    uint64_t refused = 0;    // for want of a free id
    uint32_t taken_max = 0;  // leased or retired at once
    uint32_t retired = 0;
  };

  // Ids 0 .. ids - 1; 1 to 65536.
  explicit BufferGroupIds(uint32_t ids = kIdsMax);
  // Every lease must be gone.
  ~BufferGroupIds();
  BufferGroupIds(const BufferGroupIds&) = delete;
  BufferGroupIds& operator=(const BufferGroupIds&) = delete;

  // ResourceExhausted: all are taken; use fixed buffers, or plain reads, instead.
  absl::StatusOr<BufferGroupLease> Lease();
  // Whether this use of the id is still leased.
  bool IsCurrent(uint16_t id, uint32_t generation) {
    return slots_.Find(SlotId{id, generation}) != nullptr;
  }

  Pressure pressure() const;
  uint32_t capacity() const { return slots_.capacity(); }
  uint32_t taken() const { return slots_.live(); }
  const Stats& stats() const { return stats_; }

 private:
  friend class BufferGroupLease;

  SlotTable<std::monostate> slots_;
  Stats stats_;
  const absl::Status exhausted_;  // made once: refusing allocates nothing
};

}  // namespace corewal

#endif  // COREWAL_URING_BUFFER_GROUP_IDS_H_
