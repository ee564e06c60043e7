// io_backend/uring_buffers.h: the buffers of a pool as a ring knows them.
//
//   pool:        | registered (READ_FIXED, WRITE_FIXED) | others | absent |   | ring buffers |
//                0                                fixed()                      provided to be
//                picked
//
// The registered ones are the first of the pool. A pool that may grow has a sparse table, whose
// slots are filled and cleared with it; where the kernel has none, or RLIMIT_MEMLOCK ends, what
// comes later stays unregistered and works the same.
// Thread: that of the ring.
#ifndef COREWAL_IO_BACKEND_URING_BUFFERS_H_
#define COREWAL_IO_BACKEND_URING_BUFFERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "io_backend/buffer_pool.h"
#include "uring/buffer_group_ids.h"
#include "uring/buffer_ring.h"
#include "uring/ring.h"

namespace corewal {

class UringBuffers {
 public:
  // Both must outlive it.
  UringBuffers(Ring* ring, BufferPool* pool) : ring_(*ring), pool_(*pool) {}

  // Registers what the pool has, as `wanted` says. FailedPrecondition: required and refused.
  absl::Status Register(Want wanted, std::vector<std::string>* reasons);
  // Buffers [from, to) are new in the pool. Error: they must be registered and cannot be.
  absl::Status Add(uint32_t from, uint32_t to, std::vector<std::string>* reasons);
  // They will leave it. Error: the kernel may still have them.
  absl::Status Drop(uint32_t from, uint32_t to);
  // Before the ring is closed, nothing in flight: gives pins back at once.
  void Unregister();

  // Makes the pool's ring buffers pickable, as a group of `ids`. Where that is not to be had, the
  // pool's ring buffers are dropped.
  void CreateRing(BufferGroupIds* ids, std::vector<std::string>* reasons);
  bool picks() const { return group_ != nullptr; }
  // Provides those that came home since.
  void ProvideReturned();
  void PickFor(io_uring_sqe* sqe) const { group_->PickFor(sqe); }
  // What such a read picked; empty: nothing.
  BufferLease TakePicked(const io_uring_cqe& cqe);
  // Nothing that picks is in flight: what was provided is free again.
  void CloseRing();

  uint32_t fixed() const { return fixed_; }
  bool IsFixed(const BufferLease& buffer) const { return buffer.index() < fixed_; }

 private:
  std::vector<iovec> VectorsOf(uint32_t from, uint32_t to) const;

  Ring& ring_;
  BufferPool& pool_;
  Want wanted_ = Want::kOff;
  bool table_ = false;  // slots can be filled and cleared
  uint32_t fixed_ = 0;
  bool fixed_told_ = false;  // that what was added is not registered
  std::unique_ptr<BufferRing> group_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_URING_BUFFERS_H_
