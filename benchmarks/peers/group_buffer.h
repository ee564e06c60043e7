// benchmarks/peers/group_buffer.h: clients copy framed records into a shared buffer; the leader of
// a batch takes the whole buffer and makes it durable.
#ifndef COREWAL_BENCHMARKS_PEERS_GROUP_BUFFER_H_
#define COREWAL_BENCHMARKS_PEERS_GROUP_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

#include "absl/strings/string_view.h"
#include "base/aligned_memory.h"
#include "benchmarks/peers/group_sync.h"
#include "benchmarks/peers/run_config.h"

namespace corewal::peers {

// Thread: any.
class GroupBuffer {
 public:
  static constexpr size_t kCapacityBytes = 16 * kMiB;
  enum class Then : uint8_t { kReturn, kWaitDurable };

  // Makes `bytes` at `data` durable. `data` is block-aligned, and the buffer has room to pad the
  // last block. Runs on a client's thread, one at a time.
  using WriteFunction = std::function<void(std::byte* data, size_t bytes)>;
  explicit GroupBuffer(WriteFunction write);

  // Copies a record in; `crc` goes into its frame.
  void Append(absl::string_view record, uint32_t crc, Then then);
  // Returns once everything appended is durable.
  void Sync();

 private:
  struct Buffer {
    AlignedMemory memory;
    size_t used = 0;
  };
  Buffer& OpenBuffer() { return buffers_[group_.open_batch() & 1]; }
  void Lead(uint64_t batch);

  const WriteFunction write_;
  GroupSync group_;
  Buffer buffers_[2];  // by parity of the batch
  uint64_t next_sequence_ = 0;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_GROUP_BUFFER_H_
