#include "benchmarks/peers/group_buffer.h"

#include <utility>

#include "benchmarks/peers/die.h"
#include "benchmarks/peers/frame.h"

namespace corewal::peers {

GroupBuffer::GroupBuffer(WriteFunction write)
    : write_(std::move(write)), group_([this](uint64_t batch) { Lead(batch); }) {
  for (Buffer& buffer : buffers_) {
    buffer.memory = ValueOrDie(AlignedMemory::Allocate(kCapacityBytes + kBlockBytes));
  }
}

void GroupBuffer::Lead(uint64_t batch) {
  Buffer& buffer = buffers_[batch & 1];
  write_(buffer.memory.data(), buffer.used);
  buffer.used = 0;
}

void GroupBuffer::Append(absl::string_view record, uint32_t crc, Then then) {
  const size_t framed_bytes = FramedBytes(record.size());
  auto lock = group_.Lock();
  while (OpenBuffer().used + framed_bytes > kCapacityBytes) {
    group_.WaitDurable(lock, group_.open_batch());
  }
  Buffer& buffer = OpenBuffer();
  PutFramed({static_cast<uint32_t>(record.size()), crc, next_sequence_++}, record,
            buffer.memory.data() + buffer.used);
  buffer.used += framed_bytes;
  if (then == Then::kWaitDurable) group_.WaitDurable(lock, group_.open_batch());
}

void GroupBuffer::Sync() {
  auto lock = group_.Lock();
  if (OpenBuffer().used > 0) {
    group_.WaitDurable(lock, group_.open_batch());
  } else if (group_.leading()) {
    group_.WaitDurable(lock, group_.open_batch() - 1);
  }
}

}  // namespace corewal::peers
