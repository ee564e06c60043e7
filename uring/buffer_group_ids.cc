#include "uring/buffer_group_ids.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace corewal {

BufferGroupLease& BufferGroupLease::operator=(BufferGroupLease&& other) noexcept {
  if (this != &other) {
    Return();
    ids_ = std::exchange(other.ids_, nullptr);
    slot_ = std::exchange(other.slot_, SlotId{});
  }
  return *this;
}

void BufferGroupLease::Return() {
  if (ids_ != nullptr) std::exchange(ids_, nullptr)->slots_.Free(slot_);
}

void BufferGroupLease::Retire() {
  if (ids_ != nullptr) ++std::exchange(ids_, nullptr)->stats_.retired;
}

BufferGroupIds::BufferGroupIds(uint32_t ids)
    : slots_(ids),
      exhausted_(absl::ResourceExhaustedError(
          absl::StrCat("all ", ids,
                       " buffer-group ids of the ring are taken; use fixed buffers, or "
                       "plain reads, until one is returned"))) {
  CHECK(ids >= 1 && ids <= kIdsMax) << ids;
}

BufferGroupIds::~BufferGroupIds() {
  CHECK_EQ(slots_.live(), stats_.retired) << "leases outlive their BufferGroupIds";
}

absl::StatusOr<BufferGroupLease> BufferGroupIds::Lease() {
  const std::optional<SlotId> slot = slots_.Allocate();
  if (!slot.has_value()) {
    ++stats_.refused;
    return exhausted_;
  }
  ++stats_.leases;
  stats_.taken_max = std::max(stats_.taken_max, taken());
  return BufferGroupLease(this, *slot);
}

BufferGroupIds::Pressure BufferGroupIds::pressure() const {
  const uint64_t sixteenths = uint64_t{taken()} * 16 / capacity();
  if (taken() == capacity()) return Pressure::kExhausted;
  if (sixteenths >= 15) return Pressure::kCritical;
  return sixteenths >= 12 ? Pressure::kHigh : Pressure::kNone;
}

}  // namespace corewal
