#include "base/aligned_memory.h"

#include <sys/mman.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/asan_poison.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/thread_owner.h"

namespace corewal {
namespace {

#ifndef MADV_POPULATE_WRITE
constexpr int MADV_POPULATE_WRITE = 23;  // Linux 5.14
#endif

}  // namespace

// Touching a page that cannot be had would kill the process; the kernel's own populate says ENOMEM.
int PrefaultMemory(std::byte* data, size_t bytes) {
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return errno;
  for (size_t i = 0; i < bytes; i += 4096) {
    *const_cast<volatile std::byte*>(data + i) = std::byte{0};
  }
  return 0;
}

absl::StatusOr<AlignedMemory> AlignedMemory::Allocate(size_t bytes) {
  CHECK_GT(bytes, 0u);
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "mmap", "of buffers", {.length = bytes});
  ASAN_UNPOISON_MEMORY_REGION(mapped, bytes);
  AlignedMemory memory(static_cast<std::byte*>(mapped), bytes, ProcessGeneration());
  if (madvise(mapped, bytes, MADV_DONTFORK) != 0) {
    return ErrnoStatus(errno, "madvise(MADV_DONTFORK)", "of buffers", {.length = bytes});
  }
  if (const int error = PrefaultMemory(memory.data(), bytes); error != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("prefaulting ", bytes, " bytes of buffers: ", ErrnoName(error)));
  }
  return memory;
}

AlignedMemory& AlignedMemory::operator=(AlignedMemory&& other) noexcept {
  if (this != &other) {
    Unmap();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    process_ = other.process_;
  }
  return *this;
}

void AlignedMemory::Unmap() {
  // In a forked child the range was never mapped; by now it may be somebody else's.
  if (data_ != nullptr && process_ == ProcessGeneration()) munmap(data_, size_);
  data_ = nullptr;
}

}  // namespace corewal
