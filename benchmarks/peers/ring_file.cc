#include "benchmarks/peers/ring_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "benchmarks/peers/die.h"
#include "benchmarks/peers/run_config.h"

namespace corewal::peers {

RingFile::~RingFile() {
  if (fd_ >= 0) close(fd_);
}

void RingFile::Create(const std::string& path, size_t bytes) {
  path_ = path;
  size_ = bytes / kMiB * kMiB;
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0644);
  if (fd_ < 0) DieOfErrno("open with O_DIRECT", path);
  errno = posix_fallocate(fd_, 0, static_cast<off_t>(size_));
  if (errno != 0) DieOfErrno("posix_fallocate", path);
  chunk_ = ValueOrDie(AlignedMemory::Allocate(kMiB));
  for (size_t offset = 0; offset < size_; offset += kMiB) Put(chunk_.data(), kMiB, offset);
  Sync();
}

void RingFile::OpenForRead(const std::string& path) {
  path_ = path;
  fd_ = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (fd_ < 0) DieOfErrno("open with O_DIRECT", path);
  size_ = static_cast<size_t>(lseek(fd_, 0, SEEK_END));
}

void RingFile::Write(const std::byte* data, size_t bytes) {
  if (position_ + bytes > size_) position_ = 0;
  Put(data, bytes, position_);
  position_ += bytes;
}

void RingFile::Put(const std::byte* data, size_t bytes, size_t offset) {
  const ssize_t written = pwrite(fd_, data, bytes, static_cast<off_t>(offset));
  if (written < 0) DieOfErrno("pwrite", path_);
  if (static_cast<size_t>(written) != bytes) Die("pwrite ", path_, ": wrote less than asked");
}

void RingFile::Sync() {
  if (fdatasync(fd_) != 0) DieOfErrno("fdatasync", path_);
}

size_t RingFile::Read(std::byte* to, size_t bytes, size_t offset) const {
  const ssize_t got = pread(fd_, to, bytes, static_cast<off_t>(offset));
  if (got < 0) DieOfErrno("pread", path_);
  return static_cast<size_t>(got);
}

}  // namespace corewal::peers
