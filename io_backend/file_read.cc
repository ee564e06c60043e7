#include "io_backend/file_read.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

constexpr uint64_t kBlockBytes = 4096;  // every alignment that a file may want divides it

absl::Status CheckRange(const StorageIo& io, const FileRange& range) {
  if (io.in_flight() > 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("a blocking read while ", io.in_flight(), " operations are in flight"));
  }
  // Rounded up to a block it must still be an offset.
  constexpr uint64_t kEndMax = static_cast<uint64_t>(INT64_MAX) - kBlockBytes;
  if (range.length > kEndMax || range.offset.value() > kEndMax - range.length) {
    return absl::InvalidArgumentError(absl::StrCat("read of ", range.length, " bytes at offset ",
                                                   range.offset.value(), ": out of range"));
  }
  return absl::OkStatus();
}

uint64_t RoundDown(uint64_t bytes) { return bytes - bytes % kBlockBytes; }
uint64_t RoundUp(uint64_t bytes) { return RoundDown(bytes + kBlockBytes - 1); }

absl::Status Failed(const FileRange& range, const Completion& done, uint64_t length) {
  return ErrnoStatus(done.error, "read", absl::StrCat("file handle ", range.file.index),
                     {.offset = done.tag, .length = length});
}

// Reads a range chunk by chunk, each tagged with its offset in the file.
class Copier {
 public:
  Copier(StorageIo& io, const FileRange& range)
      : io_(io),
        range_(range),
        next_(RoundDown(range.offset.value())),
        end_(range.offset.value() + range.length) {
    bytes_.resize(range.length);
  }

  absl::StatusOr<std::string> Run() {
    while (true) {
      if (error_.ok()) error_ = StageAll();
      if (io_.in_flight() == 0) break;
      const absl::Status waited = io_.Wait(1, kNever);
      if (!waited.ok() && !absl::IsUnavailable(waited)) return waited;
      Take();
    }
    if (!error_.ok()) return error_;
    bytes_.resize(std::max(end_, range_.offset.value()) - range_.offset.value());
    return std::move(bytes_);
  }

 private:
  // As much as there are buffers and credits for, but something.
  absl::Status StageAll() {
    while (next_ < end_) {
      const uint64_t length = std::min<uint64_t>(io_.buffer_bytes(), RoundUp(end_) - next_);
      const absl::Status staged = io_.ReadAny({.file = range_.file,
                                               .offset = FileOffset(next_),
                                               .length = static_cast<uint32_t>(length),
                                               .tag = next_})
                                      .status();
      if (absl::IsResourceExhausted(staged) && io_.in_flight() > 0) return absl::OkStatus();
      RETURN_IF_ERROR(staged);
      next_ += length;
    }
    return absl::OkStatus();
  }

  void Take() {
    std::array<Completion, 16> completions;
    const size_t count = io_.Poll(absl::MakeSpan(completions));
    for (size_t i = 0; i < count; ++i) {
      const Completion& done = completions[i];
      const uint64_t length =
          std::min<uint64_t>(io_.buffer_bytes(), RoundUp(asked_end_) - done.tag);
      if (!done.ok()) {
        if (error_.ok()) error_ = Failed(range_, done, length);
        continue;
      }
      const uint64_t begin = std::max(done.tag, range_.offset.value());
      const uint64_t end = std::min(done.tag + done.bytes, asked_end_);
      if (begin < end) {
        std::memcpy(bytes_.data() + (begin - range_.offset.value()),
                    done.buffer.data() + (begin - done.tag), end - begin);
      }
      if (done.bytes < length) end_ = std::min(end_, done.tag + done.bytes);  // the file ends
    }
  }

  StorageIo& io_;
  const FileRange range_;
  const uint64_t asked_end_ = range_.offset.value() + range_.length;
  uint64_t next_;  // first byte not asked for
  uint64_t end_;   // of what there is, as far as known
  std::string bytes_;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<std::string> ReadCopy(StorageIo& io, const FileRange& range) {
  RETURN_IF_ERROR(CheckRange(io, range));
  return Copier(io, range).Run();
}

absl::StatusOr<SharedBytes> ReadShared(StorageIo& io, const FileRange& range) {
  RETURN_IF_ERROR(CheckRange(io, range));
  if (range.length == 0) return SharedBytes();
  const uint64_t begin = RoundDown(range.offset.value());
  const uint64_t before = range.offset.value() - begin;
  const uint64_t length = RoundUp(before + range.length);
  if (length > io.buffer_bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a shared read of ", length, " bytes in whole blocks, a buffer has ", io.buffer_bytes()));
  }
  RETURN_IF_ERROR(io.ReadAny({.file = range.file,
                              .offset = FileOffset(begin),
                              .length = static_cast<uint32_t>(length),
                              .tag = begin})
                      .status());
  std::array<Completion, 1> done;
  while (io.Poll(absl::MakeSpan(done)) == 0) {
    const absl::Status waited = io.Wait(1, kNever);
    if (!waited.ok() && !absl::IsUnavailable(waited)) return waited;
  }
  if (!done[0].ok()) return Failed(range, done[0], length);
  if (done[0].bytes <= before) return SharedBytes();  // the file ends before the range
  const uint64_t have = std::min<uint64_t>(done[0].bytes - before, range.length);
  const SharedBytes blocks(std::move(done[0].buffer), done[0].bytes);
  return blocks.Slice(before, have);
}

}  // namespace corewal
