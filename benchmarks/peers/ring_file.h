// benchmarks/peers/ring_file.h: a file of fixed size, written in place with O_DIRECT, that begins
// again at its end.
//
// Preallocated and written once before, so that no write changes metadata of the file system.
// Thread: one writes; any may Read at a time. Failure: ends the program.
#ifndef COREWAL_BENCHMARKS_PEERS_RING_FILE_H_
#define COREWAL_BENCHMARKS_PEERS_RING_FILE_H_

#include <cstddef>
#include <string>

#include "base/aligned_memory.h"

namespace corewal::peers {

class RingFile {
 public:
  RingFile() = default;
  ~RingFile();
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;

  // `bytes` are rounded down to whole MiB.
  void Create(const std::string& path, size_t bytes);
  void OpenForRead(const std::string& path);

  // `data` is aligned, and padded to whole blocks.
  void Write(const std::byte* data, size_t bytes);
  void Sync();
  // Returns how many bytes there were.
  size_t Read(std::byte* to, size_t bytes, size_t offset) const;

  size_t size() const { return size_; }
  // A MiB of zeros to write; after Create.
  const std::byte* chunk() const { return chunk_.data(); }

 private:
  void Put(const std::byte* data, size_t bytes, size_t offset);

  std::string path_;
  int fd_ = -1;
  size_t size_ = 0;
  size_t position_ = 0;
  AlignedMemory chunk_;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RING_FILE_H_
