#include "io_backend/buffer_pool.h"

#include "base/check.h"
#include "base/status_macros.h"

#if defined(__SANITIZE_ADDRESS__)
#define COREWAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COREWAL_ASAN 1
#endif
#endif

#ifdef COREWAL_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

namespace corewal {
namespace {

bool EdgeExists(BufferPool::State from, BufferPool::State to) {
  using State = BufferPool::State;
  switch (from) {
    case State::kFree:
      return to == State::kLent;
    case State::kLent:
      return to == State::kInFlight || to == State::kFree;
    case State::kInFlight:
      return to == State::kLent;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BufferPool>> BufferPool::Create(uint32_t buffers,
                                                               uint32_t buffer_bytes) {
  ASSIGN_OR_RETURN(AlignedMemory memory,
                   AlignedMemory::Allocate(static_cast<size_t>(buffers) * buffer_bytes));
  return std::unique_ptr<BufferPool>(new BufferPool(std::move(memory), buffers, buffer_bytes));
}

BufferPool::BufferPool(AlignedMemory memory, uint32_t buffers, uint32_t buffer_bytes)
    : memory_(std::move(memory)),
      buffer_bytes_(buffer_bytes),
      states_(buffers, State::kFree),
      preferred_below_(buffers),
      free_(buffers),
      free_others_(buffers) {
  for (uint32_t i = 0; i < buffers; ++i) free_.Push(i);
  ASAN_POISON_MEMORY_REGION(memory_.data(), memory_.size());
}

BufferPool::~BufferPool() {
  if (leaked_ || owner_.Identify() == ThreadOwner::Caller::kForkedChild) return;
  CHECK_EQ(free(), buffers()) << "leases outlive their StorageIo";
  ASAN_UNPOISON_MEMORY_REGION(memory_.data(), memory_.size());
}

void BufferPool::PreferBelow(uint32_t count) {
  CHECK_EQ(free(), buffers());
  while (!free_.empty()) free_.Pop();
  while (!free_others_.empty()) free_others_.Pop();
  preferred_below_ = count;
  for (uint32_t i = 0; i < buffers(); ++i) FreeListOf(i).Push(i);
}

std::optional<BufferLease> BufferPool::Acquire() {
  if (free_.empty() && free_others_.empty()) return std::nullopt;
  const uint32_t index = free_.empty() ? free_others_.Pop() : free_.Pop();
  Transition(index, State::kLent);
  return BufferLease(this, index, address(index), buffer_bytes_);
}

bool BufferPool::Owns(const BufferLease& lease) const {
  return lease.home() == this && states_[lease.index()] == State::kLent;
}

void BufferPool::Leak() {
  leaked_ = true;
  memory_.Leak();
}

void BufferPool::ReturnBuffer(uint32_t index) {
  // The child's copy of a lease: its memory is not there, and nobody waits for the buffer.
  if (owner_.Identify() == ThreadOwner::Caller::kForkedChild) return;
  if (leaked_) return;
  CHECK(owner_.Identify() == ThreadOwner::Caller::kOwner) << "buffer returned by another thread";
  Transition(index, State::kFree);
  FreeListOf(index).Push(index);
}

void BufferPool::Transition(uint32_t index, State to) {
  CHECK_LT(index, buffers());
  const State from = states_[index];
  CHECK(EdgeExists(from, to)) << "buffer " << index << " from state " << static_cast<int>(from)
                              << " to " << static_cast<int>(to);
  states_[index] = to;
  if (to == State::kLent) {
    ASAN_UNPOISON_MEMORY_REGION(address(index), buffer_bytes_);
  } else if (from == State::kLent) {
    ASAN_POISON_MEMORY_REGION(address(index), buffer_bytes_);
  }
}

}  // namespace corewal
