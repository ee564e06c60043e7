// io_backend/buffer_memory.h: the memory of a buffer pool, present as far as the pool is in use.
//
//    data()              present()            bytes_max
//      |---- faulted in ----|--- addresses only ---|
//
// The addresses are reserved once, so that nothing ever moves: growing makes more of them present,
// shrinking gives pages back, and touching what is not present is a SIGSEGV rather than a silent
// fault. Block aligned, and MADV_DONTFORK as base/aligned_memory.h; in a forked child the range is
// not there and the child's copy of this object unmaps nothing.
// Thread: one at a time.
#ifndef COREWAL_IO_BACKEND_BUFFER_MEMORY_H_
#define COREWAL_IO_BACKEND_BUFFER_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/storage_io_factory.h"

namespace corewal {

class BufferMemory {
 public:
  struct Options {
    size_t bytes = 0;      // present at first; at least 1
    size_t bytes_max = 0;  // at least `bytes`
    // kAuto: reserved huge pages (MAP_HUGETLB), else transparent ones (MADV_HUGEPAGE), else
    // ordinary ones, with a reason for each step down. kOn: reserved huge pages or an error.
    Want huge_pages = Want::kOff;
    Want lock = Want::kOff;  // mlock(2). kAuto: best effort, with the reason. kOn: or an error.
  };
  enum class Pages : uint8_t { kOrdinary, kTransparentHuge, kReservedHuge };

  // Appends to `reasons` what was wanted and refused. ResourceExhausted: not enough memory.
  // FailedPrecondition: huge pages or locking is required and not to be had, with the remedy.
  static absl::StatusOr<std::unique_ptr<BufferMemory>> Create(const Options& options,
                                                              std::vector<std::string>* reasons);
  ~BufferMemory();
  BufferMemory(const BufferMemory&) = delete;
  BufferMemory& operator=(const BufferMemory&) = delete;

  // Makes the first `bytes` present. ResourceExhausted: they are not to be had; nothing changed.
  absl::Status Grow(size_t bytes);
  // Gives back whole pages beyond `bytes`; best effort, what the kernel does not take stays.
  void Shrink(size_t bytes);
  // Never unmaps it: the kernel may still write there.
  void Leak() { mapped_ = nullptr; }

  std::byte* data() const { return data_; }
  size_t present() const { return present_; }  // bytes, whole pages
  bool locked() const { return locked_; }
  // "ordinary pages", "transparent huge pages", "reserved huge pages of 2048 KiB".
  std::string PagesName() const;

 private:
  BufferMemory(const Options& options, Pages pages, size_t page_bytes);
  static absl::StatusOr<std::unique_ptr<BufferMemory>> CreateOf(const Options& options, Pages pages,
                                                                size_t page_bytes);
  absl::Status Map();
  absl::Status LockPresent(Want wanted, std::vector<std::string>* reasons);
  size_t RoundUp(size_t bytes) const {
    return (bytes + page_bytes_ - 1) / page_bytes_ * page_bytes_;
  }

  const Pages pages_;
  const size_t page_bytes_;
  const size_t bytes_max_;  // whole pages
  const uint64_t process_;
  void* mapped_ = nullptr;  // what munmap wants
  size_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
  size_t present_ = 0;
  bool locked_ = false;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_BUFFER_MEMORY_H_
