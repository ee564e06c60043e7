// base/slot_table.h: a fixed number of slots, each found again by index and generation.
//
//   SlotId:  index -----> | value | generation | next free |
//
// Freeing a slot changes its generation, so an id that was kept too long finds nothing, instead of
// whatever took the slot since. Nothing is allocated after construction.
//
// Invariants:
//   I1  a slot is either live or on the free list, never both
//   I2  an id is given out once (until 2^32 - 1 later uses of its slot)
// Thread: one at a time.
#ifndef COREWAL_BASE_SLOT_TABLE_H_
#define COREWAL_BASE_SLOT_TABLE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/check.h"

namespace corewal {

struct SlotId {
  uint32_t index = UINT32_MAX;
  uint32_t generation = 0;  // never 0 for a live slot
  friend bool operator==(SlotId, SlotId) = default;
};

template <typename T>
class SlotTable {
 public:
  explicit SlotTable(uint32_t capacity) : slots_(new Slot[capacity]), capacity_(capacity) {
    for (uint32_t i = 0; i < capacity; ++i) slots_[i].next_free = i + 1;
  }

  // A slot with a default value; none if all are live.
  std::optional<SlotId> Allocate() {
    if (first_free_ == capacity_) return std::nullopt;
    const uint32_t index = first_free_;
    Slot& slot = slots_[index];
    first_free_ = slot.next_free;
    slot.live = true;
    ++live_;
    return SlotId{index, slot.generation};
  }

  // The value of a live slot; null for an id that is stale or never was.
  T* Find(SlotId id) {
    if (id.index >= capacity_) return nullptr;
    Slot& slot = slots_[id.index];
    return slot.live && slot.generation == id.generation ? &slot.value : nullptr;
  }

  // Of a live slot, by index alone: for those who keep indices of slots that they own.
  T& at(uint32_t index) {
    CHECK(is_live(index)) << "slot " << index;
    return slots_[index].value;
  }
  SlotId id_of(uint32_t index) const { return SlotId{index, slots_[index].generation}; }
  bool is_live(uint32_t index) const { return index < capacity_ && slots_[index].live; }

  // Resets the value and makes every id of this use stale.
  void Free(SlotId id) {
    CHECK(Find(id) != nullptr) << "slot " << id.index << " generation " << id.generation;
    Slot& slot = slots_[id.index];
    slot.value = T();
    slot.live = false;
    if (++slot.generation == 0) slot.generation = 1;
    slot.next_free = first_free_;
    first_free_ = id.index;
    --live_;
  }

  uint32_t capacity() const { return capacity_; }
  uint32_t live() const { return live_; }

 private:
  struct Slot {
    T value{};
    uint32_t generation = 1;
    uint32_t next_free = 0;
    bool live = false;
  };

  std::unique_ptr<Slot[]> slots_;
  uint32_t capacity_;
  uint32_t first_free_ = 0;  // == capacity_: none
  uint32_t live_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_BASE_SLOT_TABLE_H_
