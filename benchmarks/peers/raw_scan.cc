#include "benchmarks/peers/raw_scan.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_memory.h"
#include "benchmarks/peers/die.h"
#include "benchmarks/peers/frame.h"
#include "benchmarks/peers/run_config.h"

namespace corewal::peers {
namespace {

constexpr size_t kReadBytes = kMiB;

// The buffer holds the file's bytes [base_, base_ + have_); base_ is at a block.
class RawScan {
 public:
  explicit RawScan(const RingFile& file)
      : file_(file), buffer_(ValueOrDie(AlignedMemory::Allocate(2 * kReadBytes))) {}

  void Run(ReplayCheck* check) {
    for (bool more = true; more;) {
      const bool read_some = Fill();
      Found found;
      while ((found = Next(check)) == Found::kRecord) {
      }
      more = found == Found::kNeedsMore && read_some;
    }
  }

 private:
  enum class Found : uint8_t { kRecord, kNeedsMore, kEnd };

  bool Fill() {
    const size_t keep_from = position_ / kBlockBytes * kBlockBytes;
    have_ = base_ + have_ - keep_from;
    std::memmove(buffer_.data(), buffer_.data() + (keep_from - base_), have_);
    base_ = keep_from;
    const size_t got = file_.Read(buffer_.data() + have_,
                                  std::min(kReadBytes, 2 * kReadBytes - have_), base_ + have_);
    have_ += got;
    return got > 0;
  }

  Found Next(ReplayCheck* check) {
    for (;;) {
      if (position_ + sizeof(Frame) > base_ + have_) return Found::kNeedsMore;
      Frame frame;
      std::memcpy(&frame, At(position_), sizeof(frame));
      if (frame.record_bytes > 0) return Take(frame, check);
      if (position_ % kBlockBytes == 0) return Found::kEnd;
      position_ = (position_ / kBlockBytes + 1) * kBlockBytes;
    }
  }

  Found Take(const Frame& frame, ReplayCheck* check) {
    if (position_ + FramedBytes(frame.record_bytes) > base_ + have_) return Found::kNeedsMore;
    const absl::string_view record(reinterpret_cast<const char*>(At(position_ + sizeof(frame))),
                                   frame.record_bytes);
    if (frame.sequence != next_sequence_++ || CrcOf(record) != frame.crc) return Found::kEnd;
    check->Add(record);
    position_ += FramedBytes(frame.record_bytes);
    return Found::kRecord;
  }

  const std::byte* At(size_t position) const { return buffer_.data() + (position - base_); }

  const RingFile& file_;
  const AlignedMemory buffer_;
  size_t base_ = 0;
  size_t have_ = 0;
  size_t position_ = 0;
  uint64_t next_sequence_ = 0;
};

}  // namespace

void ScanRawLog(const RingFile& file, ReplayCheck* check) { RawScan(file).Run(check); }

}  // namespace corewal::peers
