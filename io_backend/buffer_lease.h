// io_backend/buffer_lease.h: the right to touch one block-aligned buffer of a StorageIo.
//
// Move-only. While an operation has the lease, nobody else does: that the kernel is done with a
// buffer is told by getting the lease back, never by time. Destroying a lease returns the buffer.
// To read one buffer in several places, make it a SharedBytes (shared_bytes.h).
// Thread: that of the StorageIo. Must not outlive it (checked when the storage is destroyed).
#ifndef COREWAL_IO_BACKEND_BUFFER_LEASE_H_
#define COREWAL_IO_BACKEND_BUFFER_LEASE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

namespace corewal {

// Where leases come from and go home to; implemented by each backend's pool.
class BufferLease;
class BufferHome {
 public:
  virtual void ReturnBuffer(uint32_t index) = 0;
  // One more holder, who returns it too. A home without shared buffers has no use for it.
  virtual void ShareBuffer(uint32_t index);
  // What hangs on the lease of `index`, see BufferLease::TakeNext.
  virtual BufferLease TakeNext(uint32_t index);

 protected:
  ~BufferHome() = default;
};

class BufferLease {
 public:
  BufferLease() = default;
  // For pools only.
  BufferLease(BufferHome* home, uint32_t index, std::byte* data, uint32_t size)
      : home_(home), data_(data), index_(index), size_(size) {}
  BufferLease(BufferLease&& other) noexcept { *this = std::move(other); }
  BufferLease& operator=(BufferLease&& other) noexcept {
    if (this != &other) {
      Return();
      home_ = std::exchange(other.home_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
      index_ = other.index_;
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~BufferLease() { Return(); }

  explicit operator bool() const { return home_ != nullptr; }
  std::byte* data() const { return data_; }  // aligned to 4096
  uint32_t size() const { return size_; }    // bytes
  uint32_t index() const { return index_; }  // in the pool, and in the ring's registered buffers
  BufferHome* home() const { return home_; }

  // Of a write of several buffers (StorageIo::WriteGather), the completion has the first, and the
  // others hang on it: takes them off, the second one first with the rest hanging on it. Empty if
  // none hangs. Returning the first returns all that still hang.
  BufferLease TakeNext() { return home_ == nullptr ? BufferLease() : home_->TakeNext(index_); }

  // Gives the buffer back now.
  void Return() {
    if (home_ != nullptr) std::exchange(home_, nullptr)->ReturnBuffer(index_);
    data_ = nullptr;
    size_ = 0;
  }
  // For pools and shared buffers: the index, which the caller accounts for from now on.
  uint32_t Release() {
    home_ = nullptr;
    data_ = nullptr;
    size_ = 0;
    return index_;
  }

 private:
  BufferHome* home_ = nullptr;
  std::byte* data_ = nullptr;
  uint32_t index_ = 0;
  uint32_t size_ = 0;
};

inline BufferLease BufferHome::TakeNext(uint32_t) { return {}; }

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_BUFFER_LEASE_H_
