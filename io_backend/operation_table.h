// io_backend/operation_table.h: the operations of one StorageIo, found by token, never by search.
//
//   token and user_data:  | kind + 1 : 8 | slot : 24 | generation : 32 |
//
// One table for all kinds, so that two operations in flight never share a token; a token of zero
// is never given out. The queues hold slots in the order of staging and of completion.
// Capacity counts operations accepted and not yet polled. Nothing is allocated after construction.
#ifndef COREWAL_IO_BACKEND_OPERATION_TABLE_H_
#define COREWAL_IO_BACKEND_OPERATION_TABLE_H_

#include <cstdint>
#include <optional>

#include "base/index_queue.h"
#include "base/slot_table.h"
#include "io_backend/operation.h"

namespace corewal {

class OperationTable {
 public:
  static constexpr uint32_t kCapacityMax = 1u << 24;

  explicit OperationTable(uint32_t capacity)
      : operations_(capacity), staged_(capacity), ready_(capacity) {
    CHECK_LE(capacity, kCapacityMax);
  }

  bool full() const { return operations_.live() == operations_.capacity(); }
  uint32_t live() const { return operations_.live(); }
  uint32_t capacity() const { return operations_.capacity(); }
  uint32_t staged() const { return staged_.size(); }
  uint32_t ready() const { return ready_.size(); }
  uint32_t in_kernel() const { return in_kernel_; }

  // Stages a fresh operation; the table must not be full.
  Operation& Stage(OpKind kind, OpToken* token) {
    const std::optional<SlotId> id = operations_.Allocate();
    CHECK(id.has_value());
    Operation& op = operations_.at(id->index);
    op.kind = kind;
    op.polled_before = polled_;
    staged_.Push(id->index);
    *token = Pack(kind, *id);
    return op;
  }

  uint32_t first_staged() const { return staged_.Front(); }
  Operation& at(uint32_t slot) { return operations_.at(slot); }
  OpToken token(uint32_t slot) { return Pack(at(slot).kind, operations_.id_of(slot)); }

  // The oldest staged operation is handed to the kernel, at `now`.
  uint32_t Launch(MonotonicNs now) {
    const uint32_t slot = staged_.Pop();
    at(slot).submitted_ns = now;
    at(slot).Transition(Operation::State::kInKernel);
    ++in_kernel_;
    return slot;
  }
  // The slot of the operation in the kernel that `user_data` names; none if it is stale or foreign.
  std::optional<uint32_t> FindInKernel(uint64_t user_data) {
    const std::optional<uint32_t> slot = Find(OpToken{user_data});
    if (!slot.has_value() || at(*slot).state() != Operation::State::kInKernel) return std::nullopt;
    return slot;
  }
  // The slot of the operation that `token` names; none if it was polled or never was.
  std::optional<uint32_t> Find(OpToken token) {
    const SlotId id{static_cast<uint32_t>(token.bits >> 32) & (kCapacityMax - 1),
                    static_cast<uint32_t>(token.bits)};
    const Operation* op = operations_.Find(id);
    if (op == nullptr || Pack(op->kind, id) != token) return std::nullopt;
    return id.index;
  }
  // A staged operation will not be handed to the kernel.
  void Unstage(uint32_t slot) {
    for (uint32_t left = staged_.size(); left > 0; --left) {
      const uint32_t oldest = staged_.Pop();
      if (oldest != slot) staged_.Push(oldest);
    }
    at(slot).Transition(Operation::State::kReady);
    ready_.Push(slot);
  }
  void MarkReady(uint32_t slot) {
    at(slot).Transition(Operation::State::kReady);
    --in_kernel_;
    ready_.Push(slot);
  }
  uint32_t PopReady() { return ready_.Pop(); }
  template <typename Visit>
  void ForEach(Visit visit) {
    for (uint32_t slot = 0; slot < capacity(); ++slot) {
      if (operations_.is_live(slot)) visit(at(slot));
    }
  }
  // The completion of the operation in `slot` was polled.
  void Free(uint32_t slot) {
    operations_.Free(operations_.id_of(slot));
    ++polled_;
  }

 private:
  static OpToken Pack(OpKind kind, SlotId id) {
    return OpToken{(static_cast<uint64_t>(kind) + 1) << 56 | static_cast<uint64_t>(id.index) << 32 |
                   id.generation};
  }

  SlotTable<Operation> operations_;
  IndexQueue staged_;
  IndexQueue ready_;
  uint32_t in_kernel_ = 0;
  uint64_t polled_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_OPERATION_TABLE_H_
