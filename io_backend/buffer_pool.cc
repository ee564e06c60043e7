#include "io_backend/buffer_pool.h"

#include <algorithm>
#include <utility>

#include "base/asan_poison.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<BufferPool>> BufferPool::Create(const StorageIoOptions& options,
                                                               uint32_t ring_buffers,
                                                               std::vector<std::string>* reasons) {
  const size_t bytes = size_t{options.buffers} * options.buffer_bytes;
  const size_t bytes_max =
      size_t{std::max(options.buffers_max, options.buffers)} * options.buffer_bytes;
  ASSIGN_OR_RETURN(std::unique_ptr<BufferMemory> memory,
                   BufferMemory::Create({.bytes = bytes,
                                         .bytes_max = bytes_max,
                                         .huge_pages = options.huge_pages,
                                         .lock = options.lock_buffers},
                                        reasons));
  std::unique_ptr<BufferMemory> ring_memory;
  if (ring_buffers > 0) {
    const size_t ring_bytes = size_t{ring_buffers} * options.buffer_bytes;
    ASSIGN_OR_RETURN(ring_memory,
                     BufferMemory::Create({.bytes = ring_bytes, .bytes_max = ring_bytes}, reasons));
  }
  return std::unique_ptr<BufferPool>(
      new BufferPool(options, ring_buffers, std::move(memory), std::move(ring_memory)));
}

BufferPool::BufferPool(const StorageIoOptions& options, uint32_t ring_buffers,
                       std::unique_ptr<BufferMemory> memory,
                       std::unique_ptr<BufferMemory> ring_memory)
    : memory_(std::move(memory)),
      ring_memory_(std::move(ring_memory)),
      buffer_bytes_(options.buffer_bytes),
      buffers_max_(std::max(options.buffers_max, options.buffers)),
      buffers_(options.buffers),
      ring_buffers_(ring_buffers),
      states_(buffers_max_ + ring_buffers, State::kAbsent),
      next_(states_.size(), kNone),
      shares_(states_.size(), 0),
      free_(buffers_max_),
      free_ring_(buffers_max_ + ring_buffers) {
  FreeNew();
  for (uint32_t i = buffers_max_; i < states_.size(); ++i) Transition(i, State::kFree);
}

BufferPool::~BufferPool() {
  if (leaked_ || owner_.Identify() == ThreadOwner::Caller::kForkedChild) return;
  CHECK_EQ(free_.size() + free_ring_.size(), buffers_ + ring_buffers())
      << "leases outlive their StorageIo";
  ASAN_UNPOISON_MEMORY_REGION(memory_->data(), memory_->present());
  if (ring_memory_ != nullptr) {
    ASAN_UNPOISON_MEMORY_REGION(ring_memory_->data(), ring_memory_->present());
  }
}

std::optional<BufferLease> BufferPool::Acquire() {
  const std::optional<uint32_t> index = free_.TakeLowest();
  if (!index.has_value()) return std::nullopt;
  Transition(*index, State::kLent);
  ++counts_.acquired;
  in_use_max_ = std::max(in_use_max_, buffers_ - free_.size());
  return BufferLease(this, *index, address(*index), buffer_bytes_);
}

bool BufferPool::Owns(const BufferLease& lease) const {
  return lease.home() == this && states_[lease.index()] == State::kLent;
}

void BufferPool::Chain(const BufferLease& lease, BufferLease next) {
  CHECK(Owns(lease) && Owns(next));
  CHECK_EQ(shares_[lease.index()] + shares_[next.index()], 0u) << "a shared buffer is not chained";
  uint32_t last = lease.index();
  while (next_[last] != kNone) last = next_[last];
  next_[last] = next.Release();
}

absl::Status BufferPool::Grow(uint32_t buffers) {
  CHECK_LE(buffers, buffers_max_);
  CHECK_GE(buffers, buffers_);
  RETURN_IF_ERROR(memory_->Grow(size_t{buffers} * buffer_bytes_));
  buffers_ = buffers;
  return absl::OkStatus();
}

void BufferPool::FreeNew() {
  for (uint32_t i = buffers_; i > 0 && states_[i - 1] == State::kAbsent; --i) {
    Transition(i - 1, State::kFree);
  }
}

uint32_t BufferPool::CanShrinkTo(uint32_t buffers) const {
  uint32_t size = buffers_;
  while (size > buffers &&
         (states_[size - 1] == State::kFree || states_[size - 1] == State::kAbsent)) {
    --size;
  }
  return size;
}

void BufferPool::Shrink(uint32_t buffers) {
  CHECK_EQ(CanShrinkTo(buffers), buffers) << "a buffer that leaves is in use";
  for (uint32_t i = buffers; i < buffers_; ++i) {
    if (states_[i] == State::kFree) Transition(i, State::kAbsent);
  }
  buffers_ = buffers;
  memory_->Shrink(size_t{buffers} * buffer_bytes_);
}

uint32_t BufferPool::TakeInUseMax() { return std::exchange(in_use_max_, buffers_ - free_.size()); }

std::optional<uint32_t> BufferPool::Provide() {
  const std::optional<uint32_t> index = free_ring_.TakeLowest();
  if (!index.has_value()) return std::nullopt;
  Transition(*index, State::kInFlight);
  return *index - buffers_max_;
}

BufferLease BufferPool::TakePicked(uint32_t ring_index) {
  const uint32_t index = buffers_max_ + ring_index;
  CHECK_LT(index, states_.size());
  CHECK(states_[index] == State::kInFlight) << "the kernel picked a buffer that it did not have";
  ++counts_.acquired;
  return BufferLease(this, index, address(index), buffer_bytes_);
}

void BufferPool::TakeBack(uint32_t ring_index) {
  Transition(buffers_max_ + ring_index, State::kLent);
  Transition(buffers_max_ + ring_index, State::kFree);
}

void BufferPool::DropRing() {
  for (uint32_t i = 0; i < ring_buffers_; ++i) Transition(buffers_max_ + i, State::kAbsent);
  ring_buffers_ = 0;
  ring_memory_.reset();
}

void BufferPool::Leak() {
  leaked_ = true;
  memory_->Leak();
  if (ring_memory_ != nullptr) ring_memory_->Leak();
}

void BufferPool::ReturnBuffer(uint32_t index) {
  // The child's copy of a lease: its memory is not there, and nobody waits for the buffer.
  if (owner_.Identify() == ThreadOwner::Caller::kForkedChild) return;
  if (leaked_) return;
  CHECK(owner_.Identify() == ThreadOwner::Caller::kOwner) << "buffer returned by another thread";
  if (shares_[index] > 0) {
    --shares_[index];
    return;
  }
  while (index != kNone) {
    Transition(index, State::kFree);
    ++counts_.returned;
    index = std::exchange(next_[index], kNone);
  }
}

void BufferPool::ShareBuffer(uint32_t index) {
  if (owner_.Identify() == ThreadOwner::Caller::kForkedChild || leaked_) return;
  CHECK(owner_.Identify() == ThreadOwner::Caller::kOwner) << "buffer shared by another thread";
  CHECK(states_[index] == State::kLent) << "buffer " << index << " is shared and not lent";
  ++shares_[index];
}

BufferLease BufferPool::TakeNext(uint32_t index) {
  if (owner_.Identify() != ThreadOwner::Caller::kOwner) return {};
  const uint32_t next = std::exchange(next_[index], kNone);
  if (next == kNone) return {};
  return BufferLease(this, next, address(next), buffer_bytes_);
}

bool BufferPool::EdgeExists(uint32_t index, State to) const {
  switch (states_[index]) {
    case State::kAbsent:
      return to == State::kFree;
    case State::kFree:
      return to == State::kLent || to == State::kAbsent ||
             (to == State::kInFlight && index >= buffers_max_);
    case State::kLent:
      return to == State::kInFlight || to == State::kFree;
    case State::kInFlight:
      return to == State::kLent;
  }
  return false;
}

void BufferPool::Transition(uint32_t index, State to) {
  CHECK_LT(index, states_.size());
  const State from = states_[index];
  CHECK(EdgeExists(index, to)) << "buffer " << index << " from state " << static_cast<int>(from)
                               << " to " << static_cast<int>(to);
  states_[index] = to;
  if (to == State::kFree) FreeSetOf(index).Add(index);
  if (to == State::kAbsent) FreeSetOf(index).Remove(index);
  if (to == State::kLent || to == State::kAbsent) {
    ASAN_UNPOISON_MEMORY_REGION(address(index), buffer_bytes_);
  } else if (from == State::kLent || from == State::kAbsent) {
    ASAN_POISON_MEMORY_REGION(address(index), buffer_bytes_);
  }
}

void BufferPool::TransitionChain(uint32_t index, State to) {
  for (; index != kNone; index = next_[index]) Transition(index, to);
}

}  // namespace corewal
