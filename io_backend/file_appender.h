// io_backend/file_appender.h: appends to a registered file, and knows how far that went.
//
//   file     | ... completed | completed | in flight | completed | in flight |
//                                        ^ written_end()                     ^ end()
//
// It keeps the file's end itself: every write has its offset. The kernel's own ways are no use: an
// offset of -1 means the file position, and O_APPEND ignores offsets.
//
//   FileAppender log(io, file, FileOffset(size));
//   RETURN_IF_ERROR(log.Append({.length = n}, std::move(lease)).status());
//   ... for each completion that Poll brings: log.Take(completion) ...
//
// Appends complete in any order. The first one that fails is final: what it should have written is
// a hole, at written_end(), and later ones, although they may have completed, do not count. Go on
// with a new FileAppender there, once nothing of this one is in flight. One appender a file. It
// must not outlive `io`. Allocates nothing after construction. Thread: that of the StorageIo.
#ifndef COREWAL_IO_BACKEND_FILE_APPENDER_H_
#define COREWAL_IO_BACKEND_FILE_APPENDER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io_backend/storage_io.h"

namespace corewal {

class FileAppender {
 public:
  struct AppendOp {
    uint32_t length = 0;         // bytes of the buffer, as in WriteOp
    uint32_t buffer_offset = 0;  // bytes
    WriteMode mode = WriteMode::kPlain;
    uint64_t tag = 0;
  };

  // `end`: where the next append goes; for O_DIRECT files a multiple of the file's alignment.
  FileAppender(StorageIo& io, FileHandle file, FileOffset end);

  // Stage an append. On any error nothing was staged and end() is as before. Errors: those of
  // StorageIo::Write; the first failed append's, as status().
  absl::StatusOr<OpToken> Append(const AppendOp& op, BufferLease&& buffer);
  absl::StatusOr<OpToken> AppendGather(WriteMode mode, uint64_t tag, absl::Span<WritePiece> pieces);
  // Copies `bytes`, see WriteCopy.
  absl::StatusOr<OpToken> AppendCopy(WriteMode mode, uint64_t tag,
                                     absl::Span<const std::byte> bytes);

  // To be told of every completion that Poll brings. Whether it was one of this appender's.
  bool Take(const Completion& completion);

  FileOffset end() const { return end_; }                  // of all appends
  FileOffset written_end() const { return written_end_; }  // of the contiguous completed ones
  uint32_t in_flight() const { return in_flight_; }        // not taken yet
  // OK, or the error of the append at written_end().
  const absl::Status& status() const { return status_; }

 private:
  struct Pending {
    OpToken token;
    uint64_t bytes = 0;
    int error = 0;
    bool completed = false;
  };

  absl::StatusOr<OpToken> Staged(absl::StatusOr<OpToken> token, uint64_t bytes);
  Pending& at(uint32_t i) { return pending_[(first_ + i) % pending_.size()]; }
  void MoveWrittenEnd();

  StorageIo& io_;
  const FileHandle file_;
  FileOffset end_;
  FileOffset written_end_;
  std::vector<Pending> pending_;  // a ring, in the order of the file
  uint32_t first_ = 0;
  uint32_t used_ = 0;  // in flight, or waiting for one before
  uint32_t in_flight_ = 0;
  absl::Status status_;
  const absl::Status too_many_;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_FILE_APPENDER_H_
