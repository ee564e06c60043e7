#include "examples/file_copy/plain_copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/aligned_memory.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

// How a transfer of `length` bytes at `offset` goes on after one call moved `done` of them. In
// O_DIRECT a short transfer ends on a block, except at the end of the file.
absl::StatusOr<uint32_t> ReadFully(const OpenFile& file, uint64_t offset, std::byte* data,
                                   uint32_t length, uint64_t* calls) {
  uint32_t done = 0;
  while (done < length && done % file.facts().alignment == 0) {
    ++*calls;
    const ssize_t got =
        pread(file.fd(), data + done, length - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrnoStatus(errno, "pread", file.path(),
                         {.offset = offset + done, .length = length - done});
    }
    if (got == 0) break;
    done += static_cast<uint32_t>(got);
  }
  return done;
}

absl::Status WriteFully(const OpenFile& file, uint64_t offset, const std::byte* data,
                        uint32_t length, uint64_t* calls) {
  for (uint32_t done = 0; done < length;) {
    ++*calls;
    const ssize_t put =
        pwrite(file.fd(), data + done, length - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      return ErrnoStatus(put == 0 ? EIO : errno, "pwrite", file.path(),
                         {.offset = offset + done, .length = length - done});
    }
    done += static_cast<uint32_t>(put);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SourceBecameShorter(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " became shorter while it was copied; copy it when nobody changes it"));
}

absl::StatusOr<uint64_t> CopyByReadWrite(const CopyJob& job, const OpenFile& source,
                                         const OpenFile& copy) {
  ASSIGN_OR_RETURN(const AlignedMemory buffer, AlignedMemory::Allocate(job.block_bytes));
  uint64_t calls = 0;
  for (const DataExtent& extent : job.extents) {
    for (uint64_t at = extent.begin; at < extent.end; at += job.block_bytes) {
      const auto length =
          static_cast<uint32_t>(std::min<uint64_t>(job.block_bytes, extent.end - at));
      ASSIGN_OR_RETURN(const uint32_t got, ReadFully(source, at, buffer.data(), length, &calls));
      if (got < std::min<uint64_t>(length, job.size_bytes - at)) {
        return SourceBecameShorter(source.path());
      }
      const uint32_t to_write = BytesToWrite(copy.facts(), got);
      std::memset(buffer.data() + got, 0, to_write - got);
      RETURN_IF_ERROR(WriteFully(copy, at, buffer.data(), to_write, &calls));
    }
  }
  return calls;
}

absl::StatusOr<uint64_t> CopyByCopyFileRange(const CopyJob& job, const OpenFile& source,
                                             const OpenFile& copy) {
  uint64_t calls = 0;
  for (const DataExtent& extent : job.extents) {
    auto from = static_cast<off_t>(extent.begin);
    auto to = from;
    const auto end = static_cast<off_t>(std::min(extent.end, job.size_bytes));
    while (from < end) {
      ++calls;
      const ssize_t moved =
          copy_file_range(source.fd(), &from, copy.fd(), &to, static_cast<size_t>(end - from), 0);
      if (moved < 0 && errno == EINTR) continue;
      if (moved == 0) return SourceBecameShorter(source.path());
      if (moved < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS)) {
        return absl::FailedPreconditionError(
            absl::StrCat("copy_file_range does not work between these files: ", ErrnoName(errno)));
      }
      if (moved < 0) {
        return ErrnoStatus(errno, "copy_file_range", copy.path(),
                           {.offset = static_cast<uint64_t>(from)});
      }
    }
  }
  return calls;
}

}  // namespace corewal
