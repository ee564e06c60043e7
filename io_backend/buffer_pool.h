// io_backend/buffer_pool.h: the block-aligned buffers of one StorageIo and who may touch each.
//
//            Acquire          operation accepted
//     free ----------> lent ---------------------> in_flight
//       ^               | ^                            |
//       +---------------+ +----------------------------+
//         lease returned      its completion is polled
//
// No other edge exists; each is CHECKed. Under AddressSanitizer free and in-flight buffers are
// poisoned, so that touching one early is reported at the line that does it. What the kernel reads
// and writes there is not seen by the sanitizer, and need not be: it owns the buffer.
// Thread: that of the StorageIo.
#ifndef COREWAL_IO_BACKEND_BUFFER_POOL_H_
#define COREWAL_IO_BACKEND_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/aligned_memory.h"
#include "base/index_queue.h"
#include "base/thread_owner.h"
#include "io_backend/buffer_lease.h"

namespace corewal {

class BufferPool final : public BufferHome {
 public:
  enum class State : uint8_t { kFree, kLent, kInFlight };

  // ResourceExhausted: not enough memory.
  static absl::StatusOr<std::unique_ptr<BufferPool>> Create(uint32_t buffers,
                                                            uint32_t buffer_bytes);
  // Every buffer must be free, unless leaked or in a forked child.
  ~BufferPool();

  // Lends buffers of an index below `count` before any other; all must be free.
  void PreferBelow(uint32_t count);
  // None if all are lent or in flight.
  std::optional<BufferLease> Acquire();
  // Whether `lease` is one of this pool's, lent and not in flight.
  bool Owns(const BufferLease& lease) const;

  void Launch(const BufferLease& lease) { Transition(lease.index(), State::kInFlight); }
  void Land(const BufferLease& lease) { Transition(lease.index(), State::kLent); }

  // Never unmaps the memory: the kernel may still write to it.
  void Leak();

  uint32_t buffers() const { return static_cast<uint32_t>(states_.size()); }
  uint32_t buffer_bytes() const { return buffer_bytes_; }
  uint32_t free() const { return free_.size() + free_others_.size(); }
  std::byte* address(uint32_t index) const {
    return memory_.data() + static_cast<size_t>(index) * buffer_bytes_;
  }

 private:
  BufferPool(AlignedMemory memory, uint32_t buffers, uint32_t buffer_bytes);
  void ReturnBuffer(uint32_t index) override;
  void Transition(uint32_t index, State to);
  IndexQueue& FreeListOf(uint32_t index) { return index < preferred_below_ ? free_ : free_others_; }

  const ThreadOwner owner_;
  AlignedMemory memory_;
  const uint32_t buffer_bytes_;
  std::vector<State> states_;
  uint32_t preferred_below_;
  IndexQueue free_;
  IndexQueue free_others_;
  bool leaked_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_BUFFER_POOL_H_
