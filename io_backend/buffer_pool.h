// io_backend/buffer_pool.h: the block-aligned buffers of one StorageIo and who may touch each.
//
//            Acquire          operation accepted
//     free ----------> lent ---------------------> in_flight
//     | ^               | ^                          |  ^
//     | +---------------+ +--------------------------+  |
//     |   lease returned      its completion is polled  |
//     +-------------------------------------------------+
//            provided to the kernel to pick from (ring buffers only)
//
//   index:  | in use ......... | absent, until the pool grows | ring buffers |
//           0              buffers()                     buffers_max
//
// No other edge exists; each is CHECKed. Acquire lends the lowest free index, so that those that
// are registered are lent first and the high ones fall idle. Under AddressSanitizer free and
// in-flight buffers are poisoned, so that touching one early is reported at the line that does it.
// What the kernel reads and writes there is not seen by the sanitizer, and need not be: it owns the
// buffer. Absent ones are not mapped readable at all.
// Nothing is allocated from the heap after construction.
// Thread: that of the StorageIo.
#ifndef COREWAL_IO_BACKEND_BUFFER_POOL_H_
#define COREWAL_IO_BACKEND_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_owner.h"
#include "io_backend/buffer_lease.h"
#include "io_backend/buffer_memory.h"
#include "io_backend/free_set.h"

namespace corewal {

class BufferPool final : public BufferHome {
 public:
  enum class State : uint8_t { kFree, kLent, kInFlight, kAbsent };
  struct Counts {
    uint64_t acquired = 0;
    uint64_t returned = 0;  // to the pool, by their last holder
  };

  // Sizes, huge pages and locking as in `options`; 0 of `ring_buffers`: none. Appends to `reasons`
  // what was wanted and refused. Errors: those of BufferMemory::Create.
  static absl::StatusOr<std::unique_ptr<BufferPool>> Create(const StorageIoOptions& options,
                                                            uint32_t ring_buffers,
                                                            std::vector<std::string>* reasons);
  // Every buffer must be free, unless leaked or in a forked child.
  ~BufferPool();

  // None if all are lent or in flight.
  std::optional<BufferLease> Acquire();
  // Whether `lease` is one of this pool's, lent and not in flight.
  bool Owns(const BufferLease& lease) const;

  // A lease with all that hangs on it.
  void Launch(const BufferLease& lease) { TransitionChain(lease.index(), State::kInFlight); }
  void Land(const BufferLease& lease) { TransitionChain(lease.index(), State::kLent); }
  // Makes `next` come and go with `lease`; both are lent.
  void Chain(const BufferLease& lease, BufferLease next);

  // Makes the pool as large as `buffers`, at most buffers_max; the new ones are not free yet, so
  // that they can be registered first. ResourceExhausted: nothing changed.
  absl::Status Grow(uint32_t buffers);
  // Those in use and not free yet become free.
  void FreeNew();
  // The size, not below `buffers`, that the pool can shrink to: what is beyond is free or new.
  uint32_t CanShrinkTo(uint32_t buffers) const;
  void Shrink(uint32_t buffers);
  // The most that were lent or in flight at once since the last call.
  uint32_t TakeInUseMax();

  // Of ring buffers, counted from 0.
  std::optional<uint32_t> Provide();            // a free one is the kernel's to pick; none: none is
  BufferLease TakePicked(uint32_t ring_index);  // the kernel picked it; still in flight
  void TakeBack(uint32_t ring_index);           // the kernel has it no more: free
  std::byte* ring_memory() const { return ring_memory_->data(); }
  uint32_t ring_buffers() const { return ring_buffers_; }
  // There is no ring to pick from after all: gives their memory back. All must be free.
  void DropRing();

  // Never unmaps the memory: the kernel may still write to it.
  void Leak();

  uint32_t buffers() const { return buffers_; }  // in use, without ring buffers
  uint32_t buffers_max() const { return buffers_max_; }
  uint32_t buffer_bytes() const { return buffer_bytes_; }
  uint32_t free() const { return free_.size(); }  // to acquire
  std::byte* address(uint32_t index) const {
    return index < buffers_max_
               ? memory_->data() + static_cast<size_t>(index) * buffer_bytes_
               : ring_memory_->data() + static_cast<size_t>(index - buffers_max_) * buffer_bytes_;
  }
  const BufferMemory& memory() const { return *memory_; }
  const Counts& counts() const { return counts_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  BufferPool(const StorageIoOptions& options, uint32_t ring_buffers,
             std::unique_ptr<BufferMemory> memory, std::unique_ptr<BufferMemory> ring_memory);
  void ReturnBuffer(uint32_t index) override;
  void ShareBuffer(uint32_t index) override;
  BufferLease TakeNext(uint32_t index) override;
  bool EdgeExists(uint32_t index, State to) const;
  void Transition(uint32_t index, State to);
  void TransitionChain(uint32_t index, State to);
  FreeSet& FreeSetOf(uint32_t index) { return index < buffers_max_ ? free_ : free_ring_; }

  const ThreadOwner owner_;
  const std::unique_ptr<BufferMemory> memory_;
  std::unique_ptr<BufferMemory> ring_memory_;  // null: no ring buffers
  const uint32_t buffer_bytes_;
  const uint32_t buffers_max_;
  uint32_t buffers_ = 0;
  uint32_t ring_buffers_ = 0;
  std::vector<State> states_;
  std::vector<uint32_t> next_;    // of a chain of leases; kNone: the end
  std::vector<uint32_t> shares_;  // holders beyond the first
  FreeSet free_;
  FreeSet free_ring_;
  uint32_t in_use_max_ = 0;
  Counts counts_;
  bool leaked_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_BUFFER_POOL_H_
