#include "wal/segment_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/segment_file.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<SegmentStream>> SegmentStream::Create(FileSystem& files,
                                                                     StorageIo& io,
                                                                     uint32_t read_ahead,
                                                                     DirectMode direct) {
  std::unique_ptr<SegmentStream> stream(new SegmentStream(files, io, direct));
  const uint32_t wanted = std::min(read_ahead, io.queue_depth());
  for (uint32_t i = 0; i < wanted; ++i) {
    absl::StatusOr<BufferLease> buffer = io.AcquireBuffer();
    if (!buffer.ok()) {
      if (i == 0) return buffer.status();
      break;
    }
    stream->chunks_.emplace_back();
    stream->chunks_.back().buffer = *std::move(buffer);
  }
  if (stream->chunks_.empty()) return absl::InvalidArgumentError("read_ahead must be at least 1");
  stream->scratch_.reset(new std::byte[kBatchBytesMax]);
  return stream;
}

absl::Status SegmentStream::Open(const std::string& path, uint64_t offset, uint64_t bytes_max) {
  CHECK_EQ(offset % kBlockBytes, 0u);
  if (offset == 0 && GoOnInExpected(path, bytes_max)) return FillReadAhead();
  Close();
  RETURN_IF_ERROR(OpenFile(path, bytes_max, &file()));
  return Restart(offset, bytes_max);
}

absl::Status SegmentStream::OpenFile(const std::string& path, uint64_t bytes_max, File* file) {
  ASSIGN_OR_RETURN(corewal::OpenFile opened,
                   OpenSegmentFile(file_system_, path, OpenOptions::Access::kRead, direct_));
  *file = File();
  file->path = path;
  file->size_bytes = opened.facts().size_bytes;
  file->bytes_max = bytes_max;
  file->limit = std::min(file->size_bytes, bytes_max);
  ASSIGN_OR_RETURN(file->handle, io_.RegisterFile(opened));
  file->open = true;
  return absl::OkStatus();
}

bool SegmentStream::GoOnInExpected(const std::string& path, uint64_t bytes_max) {
  if (ahead_ == 0 || expected().path != path || expected().bytes_max != bytes_max) return false;
  while (used_ > 0) {
    if (!DropFront().ok()) return false;
  }
  CloseFile(&file());
  current_ = 1 - current_;
  used_ = std::exchange(ahead_, 0);
  expects_file_ = false;
  scratch_bytes_ = 0;
  return true;
}

void SegmentStream::Expect(const std::string& path, uint64_t bytes_max) {
  if (expected().open) return;
  expected().path = path;
  expected().bytes_max = bytes_max;
  expects_file_ = true;
}

absl::Status SegmentStream::Restart(uint64_t offset, uint64_t bytes_max) {
  CHECK(is_open());
  CHECK_EQ(offset % kBlockBytes, 0u);
  RETURN_IF_ERROR(DropChunks());
  CloseFile(&expected());
  expects_file_ = false;
  file().limit = std::min(file().size_bytes, bytes_max);
  file().next_read = offset;
  file().failure = absl::OkStatus();
  scratch_bytes_ = 0;
  front_ = 0;
  return FillReadAhead();
}

void SegmentStream::Close() {
  CloseFile(&file());
  CloseFile(&expected());
  expects_file_ = false;
  used_ = ahead_ = 0;
}

void SegmentStream::CloseFile(File* file) {
  if (!file->open) return;
  file->open = false;
  // Waits for the file's own reads; their buffers come back with the completions.
  if (io_.UnregisterFile(file->handle).ok()) TakeCompletions().IgnoreError();
}

absl::Status SegmentStream::DropChunks() {
  while (used_ + ahead_ > 0) {
    if (used_ == 0) used_ = std::exchange(ahead_, 0);
    RETURN_IF_ERROR(DropFront());
  }
  return absl::OkStatus();
}

absl::Status SegmentStream::DropFront() {
  RETURN_IF_ERROR(WaitFor(front()));
  front_ = (front_ + 1) % static_cast<uint32_t>(chunks_.size());
  --used_;
  return absl::OkStatus();
}

absl::Status SegmentStream::FillReadAhead() {
  bool staged = false;
  RETURN_IF_ERROR(StartReads(current_, &used_, &staged));
  const bool all_asked = file().next_read >= file().limit;
  if (all_asked && expects_file_ && used_ + ahead_ < chunks_.size()) {
    if (!expected().open) {
      const std::string path = expected().path;
      // If it cannot be opened, Open will say why, should it come to that.
      if (!OpenFile(path, expected().bytes_max, &expected()).ok()) expects_file_ = false;
    }
    if (expects_file_) RETURN_IF_ERROR(StartReads(1 - current_, &ahead_, &staged));
  }
  return staged ? io_.Submit() : absl::OkStatus();
}

// `count`: used_ or ahead_, the chunks of that file.
absl::Status SegmentStream::StartReads(uint32_t file_index, uint32_t* count, bool* staged) {
  const File& file = files_[file_index];
  while (used_ + ahead_ < chunks_.size() && file.next_read < file.limit) {
    const uint32_t index = (front_ + used_ + ahead_) % static_cast<uint32_t>(chunks_.size());
    RETURN_IF_ERROR(StartRead(file_index, index));
    ++*count;
    *staged = true;
  }
  return absl::OkStatus();
}

absl::Status SegmentStream::StartRead(uint32_t file_index, uint32_t index) {
  Chunk& chunk = chunks_[index];
  File& file = files_[file_index];
  CHECK(chunk.buffer) << "a chunk is read into while it is being read";
  const uint64_t whole_blocks = RoundUpToBlock(file.limit - file.next_read);
  chunk.file = file_index;
  chunk.begin = file.next_read;
  chunk.asked = static_cast<uint32_t>(std::min<uint64_t>(io_.buffer_bytes(), whole_blocks));
  chunk.bytes = 0;
  ReadOp op;
  op.file = file.handle;
  op.offset = FileOffset(chunk.begin);
  op.length = chunk.asked;
  op.tag = index;
  RETURN_IF_ERROR(io_.Read(op, std::move(chunk.buffer)).status());
  chunk.reading = true;
  file.next_read += chunk.asked;
  return absl::OkStatus();
}

absl::Status SegmentStream::TakeCompletions() {
  std::array<Completion, 16> completions;
  for (;;) {
    const size_t n = io_.Poll(absl::MakeSpan(completions));
    if (n == 0) return file().failure;
    for (size_t i = 0; i < n; ++i) {
      Completion& done = completions[i];
      CHECK_LT(done.tag, chunks_.size()) << "somebody else uses this storage";
      Chunk& chunk = chunks_[done.tag];
      CHECK(chunk.reading);
      File& file = files_[chunk.file];
      chunk.reading = false;
      chunk.buffer = std::move(done.buffer);
      chunk.bytes = done.ok() ? done.bytes : 0;
      if (!done.ok() && file.failure.ok()) {
        file.failure = ErrnoStatus(done.error, "read", file.path,
                                   {.offset = chunk.begin, .length = chunk.asked});
      }
      // Somebody cut the file since it was opened, or it ends inside a block.
      if (chunk.bytes < chunk.asked) file.limit = std::min(file.limit, chunk.begin + chunk.bytes);
    }
  }
}

absl::Status SegmentStream::WaitFor(const Chunk& chunk) {
  RETURN_IF_ERROR(TakeCompletions());
  while (chunk.reading) {
    RETURN_IF_ERROR(io_.Wait(1, kNever));
    RETURN_IF_ERROR(TakeCompletions());
  }
  return absl::OkStatus();
}

absl::Status SegmentStream::MoveTo(uint64_t offset) {
  while (used_ > 0 && front().begin + front().asked <= offset) RETURN_IF_ERROR(DropFront());
  // A jump beyond all that was asked for: what lies between is not read at all.
  if (used_ == 0) {
    file().next_read = std::max(file().next_read, offset / kBlockBytes * kBlockBytes);
  }
  return FillReadAhead();
}

absl::StatusOr<absl::Span<const std::byte>> SegmentStream::View(uint64_t offset, uint32_t length) {
  CHECK(is_open());
  CHECK_LE(length, kBatchBytesMax);
  RETURN_IF_ERROR(file().failure);
  const bool in_scratch =
      scratch_bytes_ > 0 && offset >= scratch_begin_ && offset < scratch_begin_ + scratch_bytes_;
  if (in_scratch) return Assemble(offset, length);
  scratch_bytes_ = 0;
  RETURN_IF_ERROR(MoveTo(offset));
  if (used_ == 0 || offset >= limit()) return absl::Span<const std::byte>();
  RETURN_IF_ERROR(WaitFor(front()));
  const Chunk& chunk = front();
  CHECK_LE(chunk.begin, offset) << "the stream only goes on";
  const uint64_t end = std::min(offset + length, limit());
  if (end <= chunk.begin + chunk.bytes) {
    return absl::Span<const std::byte>(chunk.buffer.data() + (offset - chunk.begin),
                                       end > offset ? end - offset : 0);
  }
  scratch_begin_ = offset;
  return Assemble(offset, length);
}

absl::StatusOr<absl::Span<const std::byte>> SegmentStream::Assemble(uint64_t offset,
                                                                    uint32_t length) {
  // Keeps what the scratch buffer has of it: the chunks that it came from may be gone.
  const uint32_t drop = static_cast<uint32_t>(offset - scratch_begin_);
  if (drop > 0 && uint64_t{drop} + length > scratch_bytes_) {
    std::memmove(scratch_.get(), scratch_.get() + drop, scratch_bytes_ - drop);
    scratch_begin_ = offset;
    scratch_bytes_ -= drop;
  }
  const uint64_t end = offset + length;
  while (scratch_begin_ + scratch_bytes_ < std::min(end, limit())) {
    const uint64_t at = scratch_begin_ + scratch_bytes_;
    RETURN_IF_ERROR(MoveTo(at));
    if (used_ == 0) break;
    RETURN_IF_ERROR(WaitFor(front()));
    const Chunk& chunk = front();
    const uint64_t chunk_end = std::min(chunk.begin + chunk.bytes, end);
    if (chunk_end <= at) break;  // the file became shorter
    std::memcpy(scratch_.get() + scratch_bytes_, chunk.buffer.data() + (at - chunk.begin),
                chunk_end - at);
    scratch_bytes_ += static_cast<uint32_t>(chunk_end - at);
  }
  const uint64_t from = offset - scratch_begin_;
  const uint64_t have = std::min<uint64_t>(scratch_bytes_ - from, length);
  return absl::Span<const std::byte>(scratch_.get() + from, have);
}

}  // namespace corewal
