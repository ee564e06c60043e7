// uring/buffer_ring.h: buffers that the kernel picks from when a read has something to put there.
//
//     provided --(a read completes)--> taken --(GiveBack)--> provided
//
// A read names no buffer, so that many may be in flight with few buffers. They serve reads, never
// file writes. The buffers do not count against RLIMIT_MEMLOCK; their pages are looked up for each
// operation. For files no clear gain over READ_FIXED was measured (KERNEL.md has the numbers), so
// StorageIo uses it only if told to (StorageIoOptions::read_buffers).
// Thread: the ring's. Linux 5.19.
#ifndef COREWAL_URING_BUFFER_RING_H_
#define COREWAL_URING_BUFFER_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/aligned_memory.h"
#include "base/thread_owner.h"
#include "uring/buffer_group_ids.h"
#include "uring/ring.h"

namespace corewal {

class BufferRing {
 public:
  struct Options {
    uint32_t buffers = 8;              // a power of two, 1 .. 32768
    uint32_t buffer_bytes = 64 << 10;  // a multiple of 4096
    // The buffers, one after the other; the caller's, who keeps them for as long as the ring is
    // there. Null: memory of its own.
    std::byte* memory = nullptr;
    bool provided = true;  // false: all are taken at first, by the caller
  };
  // All buffers provided. `ring` and `ids` must outlive it. FailedPrecondition: the kernel refuses,
  // with the reason; ResourceExhausted: no id or no memory. Use fixed buffers then, or plain reads.
  static absl::StatusOr<std::unique_ptr<BufferRing>> Create(Ring* ring, BufferGroupIds* ids,
                                                            const Options& options);
  // No read that picks from it may be in flight.
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // Makes `sqe`, prepared as a read of at most buffer_bytes with no buffer, pick one from here.
  void PickFor(io_uring_sqe* sqe) const;

  struct Taken {
    uint16_t index = 0;
    absl::Span<const std::byte> bytes;  // what was read
  };
  // What the completion of such a read brought. ResourceExhausted: no buffer was provided when it
  // had data (ENOBUFS); give one back and read again. Other errors are the read's.
  absl::StatusOr<Taken> Take(const io_uring_cqe& cqe);
  // Provides a taken buffer again.
  void GiveBack(uint16_t index);

  uint16_t group() const { return lease_.id(); }
  uint32_t taken() const { return taken_count_; }
  const std::vector<bool>& taken_buffers() const { return taken_; }  // by index

 private:
  BufferRing(Ring* ring, BufferGroupLease lease, const Options& options, AlignedMemory entries,
             AlignedMemory memory);
  io_uring_buf_ring* raw() { return reinterpret_cast<io_uring_buf_ring*>(entries_.data()); }
  std::byte* address(uint16_t index) const {
    return memory_ + size_t{index} * options_.buffer_bytes;
  }
  void Provide(uint16_t index);

  const ThreadOwner owner_;
  Ring* const ring_;
  BufferGroupLease lease_;
  const Options options_;
  AlignedMemory entries_;     // shared with the kernel
  AlignedMemory own_memory_;  // empty: the caller's is used
  std::byte* const memory_;
  std::vector<bool> taken_;
  uint32_t taken_count_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_URING_BUFFER_RING_H_
