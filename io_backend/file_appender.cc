#include "io_backend/file_appender.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "io_backend/write_copy.h"

namespace corewal {

FileAppender::FileAppender(StorageIo& io, FileHandle file, FileOffset end)
    : io_(io),
      file_(file),
      end_(end),
      written_end_(end),
      pending_(size_t{2} * io.queue_depth()),
      too_many_(absl::ResourceExhaustedError(
          absl::StrCat(pending_.size(), " appends wait for one before them; Poll and retry"))) {}

absl::StatusOr<OpToken> FileAppender::Append(const AppendOp& op, BufferLease&& buffer) {
  RETURN_IF_ERROR(status_);
  if (used_ == pending_.size()) return too_many_;
  return Staged(io_.Write({.file = file_,
                           .offset = end_,
                           .length = op.length,
                           .buffer_offset = op.buffer_offset,
                           .mode = op.mode,
                           .tag = op.tag},
                          std::move(buffer)),
                op.length);
}

absl::StatusOr<OpToken> FileAppender::AppendGather(WriteMode mode, uint64_t tag,
                                                   absl::Span<WritePiece> pieces) {
  RETURN_IF_ERROR(status_);
  if (used_ == pending_.size()) return too_many_;
  uint64_t bytes = 0;
  for (const WritePiece& piece : pieces) bytes += piece.length;
  return Staged(io_.WriteGather({.file = file_, .offset = end_, .mode = mode, .tag = tag}, pieces),
                bytes);
}

absl::StatusOr<OpToken> FileAppender::AppendCopy(WriteMode mode, uint64_t tag,
                                                 absl::Span<const std::byte> bytes) {
  RETURN_IF_ERROR(status_);
  if (used_ == pending_.size()) return too_many_;
  return Staged(WriteCopy(io_, {.file = file_, .offset = end_, .mode = mode, .tag = tag}, bytes),
                bytes.size());
}

absl::StatusOr<OpToken> FileAppender::Staged(absl::StatusOr<OpToken> token, uint64_t bytes) {
  if (!token.ok()) return token;
  at(used_) = {.token = *token, .bytes = bytes};
  ++used_;
  ++in_flight_;
  end_ += bytes;
  return token;
}

bool FileAppender::Take(const Completion& completion) {
  for (uint32_t i = 0; i < used_; ++i) {
    Pending& pending = at(i);
    if (pending.completed || pending.token != completion.token) continue;
    CHECK(completion.error != 0 || completion.bytes == pending.bytes) << completion.bytes;
    pending.completed = true;
    pending.error = completion.error;
    --in_flight_;
    MoveWrittenEnd();
    return true;
  }
  return false;
}

void FileAppender::MoveWrittenEnd() {
  while (status_.ok() && used_ > 0 && at(0).completed) {
    if (at(0).error != 0) {
      status_ = ErrnoStatus(at(0).error, "append", absl::StrCat("file handle ", file_.index),
                            {.offset = written_end_.value(), .length = at(0).bytes});
      return;
    }
    written_end_ += at(0).bytes;
    first_ = (first_ + 1) % static_cast<uint32_t>(pending_.size());
    --used_;
  }
}

}  // namespace corewal
