// base/aligned_memory.h: page-aligned memory for I/O, present before it is first used.
//
// Mapped, not malloc'ed: aligned for O_DIRECT, faulted in at once so that a hot path never pays for
// it, and MADV_DONTFORK so that a fork neither copies nor shares what a device may be writing to.
// In a forked child the memory does not exist; the child's copy of this object unmaps nothing.
#ifndef COREWAL_BASE_ALIGNED_MEMORY_H_
#define COREWAL_BASE_ALIGNED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace corewal {

// Faults in writable pages: 0, or an errno value where they are not to be had. `data` is aligned to
// a page. Any thread.
int PrefaultMemory(std::byte* data, size_t bytes);

class AlignedMemory {
 public:
  // Zeroed memory of `bytes` (at least 1), aligned to a page. ResourceExhausted: not enough memory.
  static absl::StatusOr<AlignedMemory> Allocate(size_t bytes);

  AlignedMemory() = default;
  AlignedMemory(AlignedMemory&& other) noexcept { *this = std::move(other); }
  AlignedMemory& operator=(AlignedMemory&& other) noexcept;
  ~AlignedMemory() { Unmap(); }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // Gives the memory up without unmapping it: for a device that may still write there.
  void Leak() { data_ = nullptr; }

 private:
  AlignedMemory(std::byte* data, size_t size, uint64_t process)
      : data_(data), size_(size), process_(process) {}
  void Unmap();

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t process_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_BASE_ALIGNED_MEMORY_H_
