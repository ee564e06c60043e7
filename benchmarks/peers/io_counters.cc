#include "benchmarks/peers/io_counters.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<uint64_t> syncs = 0;
std::atomic<uint64_t> writes = 0;
std::atomic<uint64_t> bytes_written = 0;

ssize_t Wrote(ssize_t bytes) {
  if (bytes > 0) {
    writes.fetch_add(1, std::memory_order_relaxed);
    bytes_written.fetch_add(static_cast<uint64_t>(bytes), std::memory_order_relaxed);
  }
  return bytes;
}

}  // namespace

namespace corewal::peers {

IoCounters ReadIoCounters() { return {syncs.load(), writes.load(), bytes_written.load()}; }

}  // namespace corewal::peers

extern "C" {

int fsync(int fd) {
  syncs.fetch_add(1, std::memory_order_relaxed);
  return static_cast<int>(syscall(SYS_fsync, fd));
}
int fdatasync(int fd) {
  syncs.fetch_add(1, std::memory_order_relaxed);
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}
ssize_t write(int fd, const void* data, size_t bytes) {
  return Wrote(syscall(SYS_write, fd, data, bytes));
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  return Wrote(syscall(SYS_pwrite64, fd, data, bytes, offset));
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t offset) {
  return Wrote(syscall(SYS_pwrite64, fd, data, bytes, offset));
}
ssize_t writev(int fd, const struct iovec* pieces, int count) {
  return Wrote(syscall(SYS_writev, fd, pieces, count));
}

}  // extern "C"
