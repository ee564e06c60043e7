#include "tests/fuzz/hostile_log.h"

#include <algorithm>
#include <cstddef>

#include "tests/wal/log_builder.h"
#include "wal/format.h"

namespace corewal {
namespace {

enum Fix : uint8_t { kFixHeader = 1, kFixBatch = 2, kCut = 4 };
constexpr size_t kChunkHeadBytes = 5;
constexpr size_t kBatchLengthAt = 40;  // FORMAT.md, "Batch header"

void Repair(std::string& file, size_t at, uint8_t fix) {
  if ((fix & kFixHeader) != 0 && file.size() >= kBlockBytes) FixSegmentHeaderCrc(file.data());
  if ((fix & kFixBatch) == 0) return;
  const uint32_t length = Get32(file.data() + at + kBatchLengthAt);
  if (length >= kBatchHeaderBytes && length <= file.size() - at) FixBatchCrcs(file.data() + at);
}

}  // namespace

HostileLog HostileLog::Parse(FuzzInput input) {
  HostileLog log;
  if (input.empty()) return log;
  log.mode = input[0];
  input.remove_prefix(1);
  while (input.size() >= kChunkHeadBytes) {
    std::string& file = log.files[1 + input[0] % kFiles];
    const uint8_t fix = input[1];
    const size_t at = size_t{input[2] % kBlocksMax} * kBlockBytes;
    size_t length = input[3] | size_t{input[4]} << 8;
    input.remove_prefix(kChunkHeadBytes);
    length = std::min({length, input.size(), kBlocksMax * size_t{kBlockBytes} - at});
    const size_t end = RoundUpToBlock(at + std::max<size_t>(length, 1));
    if (file.size() < end) file.resize(end);
    std::copy_n(input.begin(), length, file.begin() + static_cast<ptrdiff_t>(at));
    input.remove_prefix(length);
    Repair(file, at, fix);
    if ((fix & kCut) != 0) file.resize(end);
  }
  return log;
}

std::string HostileLog::Encode() const {
  std::string bytes(1, static_cast<char>(mode));
  for (const auto& [sequence, file] : files) {
    for (size_t at = 0; at < file.size(); at += kBlockBytes) {
      std::string block = file.substr(at, kBlockBytes);
      const bool last = at + kBlockBytes >= file.size();
      block.resize(block.find_last_not_of('\0') + 1);
      if (block.empty() && !last) continue;
      bytes.push_back(static_cast<char>(sequence - 1));
      bytes.push_back(static_cast<char>(last ? kCut : 0));
      bytes.push_back(static_cast<char>(at / kBlockBytes));
      bytes.push_back(static_cast<char>(block.size() & 0xff));
      bytes.push_back(static_cast<char>(block.size() >> 8));
      bytes += block;
    }
  }
  return bytes;
}

}  // namespace corewal
