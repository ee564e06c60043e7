#include "uring/buffer_ring.h"

#include <bit>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<BufferRing>> BufferRing::Create(Ring* ring, BufferGroupIds* ids,
                                                               const Options& options) {
  CHECK(std::has_single_bit(options.buffers) && options.buffers <= 32768) << options.buffers;
  CHECK(options.buffer_bytes > 0 && options.buffer_bytes % 4096 == 0) << options.buffer_bytes;
  auto entries = AlignedMemory::Allocate(options.buffers * sizeof(io_uring_buf));
  if (!entries.ok()) return entries.status();
  AlignedMemory memory;
  if (options.memory == nullptr) {
    auto allocated = AlignedMemory::Allocate(size_t{options.buffers} * options.buffer_bytes);
    if (!allocated.ok()) return allocated.status();
    memory = *std::move(allocated);
  }
  auto lease = ids->Lease();
  if (!lease.ok()) return lease.status();
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uint64_t>(entries->data());
  registration.ring_entries = options.buffers;
  registration.bgid = lease->id();
  const int result = io_uring_register_buf_ring(ring->raw(), &registration, 0);
  if (result < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("registering a ring of ", options.buffers, " buffers as group ", lease->id(),
                     ": ", ErrnoName(-result), result == -EINVAL ? "; needs Linux 5.19" : ""));
  }
  return std::unique_ptr<BufferRing>(
      new BufferRing(ring, *std::move(lease), options, *std::move(entries), std::move(memory)));
}

BufferRing::BufferRing(Ring* ring, BufferGroupLease lease, const Options& options,
                       AlignedMemory entries, AlignedMemory memory)
    : ring_(ring),
      lease_(std::move(lease)),
      options_(options),
      entries_(std::move(entries)),
      own_memory_(std::move(memory)),
      memory_(options.memory == nullptr ? own_memory_.data() : options.memory),
      taken_(options.buffers, !options.provided),
      taken_count_(options.provided ? 0 : options.buffers) {
  io_uring_buf_ring_init(raw());
  if (!options.provided) return;
  for (uint32_t i = 0; i < options.buffers; ++i) Provide(static_cast<uint16_t>(i));
}

BufferRing::~BufferRing() {
  if (owner_.Identify() == ThreadOwner::Caller::kForkedChild) {
    lease_.Retire();  // the parent has it
    return;
  }
  if (io_uring_unregister_buf_ring(ring_->raw(), group()) == 0) return;
  lease_.Retire();
  entries_.Leak();  // the kernel may still look there
  own_memory_.Leak();
}

void BufferRing::PickFor(io_uring_sqe* sqe) const {
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = group();
}

absl::StatusOr<BufferRing::Taken> BufferRing::Take(const io_uring_cqe& cqe) {
  if (cqe.res == -ENOBUFS) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", options_.buffers, " buffers of group ", group(), " are taken"));
  }
  const bool picked = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
  const auto index = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  if (picked) {
    CHECK_LT(index, options_.buffers);
    CHECK(!taken_[index]) << "buffer " << index << " of group " << group() << " is taken already";
    taken_[index] = true;
    ++taken_count_;
  }
  if (cqe.res < 0 || !picked) {
    if (picked) GiveBack(index);
    return ErrnoStatus(cqe.res < 0 ? -cqe.res : EIO, "read", "into a buffer group");
  }
  return Taken{index, absl::MakeConstSpan(address(index), static_cast<size_t>(cqe.res))};
}

void BufferRing::GiveBack(uint16_t index) {
  CHECK_LT(index, options_.buffers);
  CHECK(taken_[index]) << "buffer " << index << " of group " << group() << " is not taken";
  taken_[index] = false;
  --taken_count_;
  Provide(index);
}

void BufferRing::Provide(uint16_t index) {
  io_uring_buf_ring_add(raw(), address(index), options_.buffer_bytes, index,
                        io_uring_buf_ring_mask(options_.buffers), 0);
  io_uring_buf_ring_advance(raw(), 1);
}

}  // namespace corewal
