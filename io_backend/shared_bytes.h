// io_backend/shared_bytes.h: what was read, seen from several places without a copy.
//
//   Completion::buffer --> SharedBytes --copy, Slice--> SharedBytes ...
//                               the last one that goes returns the buffer
//
// Counted in the pool: copying allocates nothing. A buffer that is shared can be read only, and is
// not lent to anybody else meanwhile: who holds one for long has one buffer less.
// Thread: that of the StorageIo (CHECKed). Must not outlive it (CHECKed when it is destroyed).
#ifndef COREWAL_IO_BACKEND_SHARED_BYTES_H_
#define COREWAL_IO_BACKEND_SHARED_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "base/check.h"
#include "io_backend/buffer_lease.h"

namespace corewal {

class SharedBytes {
 public:
  SharedBytes() = default;
  // Shows the first `length` bytes of `buffer`, which is handed over; at most its size.
  SharedBytes(BufferLease buffer, uint32_t length) {
    CHECK_LE(length, buffer.size());
    home_ = buffer.home();
    bytes_ = absl::MakeConstSpan(buffer.data(), length);
    index_ = buffer.Release();
  }
  SharedBytes(const SharedBytes& other)
      : home_(other.home_), index_(other.index_), bytes_(other.bytes_) {
    if (home_ != nullptr) home_->ShareBuffer(index_);
  }
  SharedBytes(SharedBytes&& other) noexcept
      : home_(std::exchange(other.home_, nullptr)),
        index_(other.index_),
        bytes_(std::exchange(other.bytes_, {})) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(home_, other.home_);
    std::swap(index_, other.index_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SharedBytes() {
    if (home_ != nullptr) home_->ReturnBuffer(index_);
  }

  absl::Span<const std::byte> bytes() const { return bytes_; }
  const std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // A part of it, which keeps the buffer just as well. offset + length: at most size().
  SharedBytes Slice(size_t offset, size_t length) const {
    CHECK_LE(offset, size());
    CHECK_LE(length, size() - offset);
    SharedBytes part = *this;
    part.bytes_ = bytes_.subspan(offset, length);
    return part;
  }

 private:
  BufferHome* home_ = nullptr;
  uint32_t index_ = 0;
  absl::Span<const std::byte> bytes_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SHARED_BYTES_H_
