#include "examples/file_copy/storage_copy.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "examples/file_copy/plain_copy.h"
#include "io_backend/storage_io.h"
#include "io_backend/storage_io_factory.h"

namespace corewal {
namespace {

class StorageCopy {
 public:
  StorageCopy(const CopyJob& job, StorageIo& io)
      : job_(job), io_(io), expected_(job.in_flight), done_(job.in_flight) {}

  absl::Status Run(OpenFile& source, OpenFile& copy) {
    copy_facts_ = copy.facts();
    // What errors name; the storage takes the files themselves.
    source_name_ = source.path();
    copy_name_ = copy.path();
    ASSIGN_OR_RETURN(source_, io_.RegisterFile(source));
    ASSIGN_OR_RETURN(copy_, io_.RegisterFile(copy));
    for (uint32_t i = 0; i < job_.in_flight; ++i) {
      ASSIGN_OR_RETURN(BufferLease buffer, io_.AcquireBuffer());
      RETURN_IF_ERROR(ReadNext(std::move(buffer)));
    }
    while (io_.in_flight() > 0) {
      RETURN_IF_ERROR(io_.Wait(1, kNever));
      const size_t count = io_.Poll(absl::MakeSpan(done_));
      for (size_t i = 0; i < count; ++i) RETURN_IF_ERROR(OnCompletion(done_[i]));
    }
    return absl::OkStatus();
  }

 private:
  // The buffer goes home if nothing is left to read.
  absl::Status ReadNext(BufferLease buffer) {
    while (extent_ < job_.extents.size()) {
      const DataExtent& extent = job_.extents[extent_];
      const uint64_t at = std::max(next_, extent.begin);
      if (at < extent.end) {
        const auto length =
            static_cast<uint32_t>(std::min<uint64_t>(job_.block_bytes, extent.end - at));
        next_ = at + length;
        // A read is short only at the end of the file.
        expected_[buffer.index()] =
            static_cast<uint32_t>(std::min<uint64_t>(length, job_.size_bytes - at));
        return io_
            .Read({.file = source_, .offset = FileOffset(at), .length = length, .tag = at},
                  std::move(buffer))
            .status();
      }
      ++extent_;
    }
    return absl::OkStatus();
  }

  // `tag` is the block's offset, of its read as of its write.
  absl::Status OnCompletion(Completion& done) {
    const bool read = done.kind == OpKind::kRead;
    if (!done.ok()) {
      return ErrnoStatus(done.error, read ? "read" : "write", read ? source_name_ : copy_name_,
                         {.offset = done.tag + done.bytes});
    }
    if (!read) return ReadNext(std::move(done.buffer));
    if (done.bytes < expected_[done.buffer.index()]) return SourceBecameShorter(source_name_);
    const uint32_t length = BytesToWrite(copy_facts_, done.bytes);
    std::memset(done.buffer.data() + done.bytes, 0, length - done.bytes);
    return io_
        .Write({.file = copy_, .offset = FileOffset(done.tag), .length = length, .tag = done.tag},
               std::move(done.buffer))
        .status();
  }

  const CopyJob& job_;
  StorageIo& io_;
  OpenFile::Facts copy_facts_;
  std::string source_name_, copy_name_;
  FileHandle source_, copy_;
  size_t extent_ = 0;               // being read
  uint64_t next_ = 0;               // offset to read next
  std::vector<uint32_t> expected_;  // of the block in each buffer: bytes that its read must bring
  std::vector<Completion> done_;
};

}  // namespace

absl::StatusOr<uint64_t> CopyByStorage(const CopyJob& job, OpenFile source, OpenFile copy,
                                       bool registered_buffers) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io,
                   CreateStorageIo({
                       .backend = IoBackend::kUring,
                       .queue_depth = job.in_flight,
                       .file_slots = 2,
                       .buffers = job.in_flight,
                       .buffer_bytes = job.block_bytes,
                       .registered_buffers = registered_buffers ? Want::kOn : Want::kOff,
                       .lone_operation_by_syscall = false,
                   }));
  RETURN_IF_ERROR(StorageCopy(job, *io).Run(source, copy));
  return io->stats().enters;
}

}  // namespace corewal
