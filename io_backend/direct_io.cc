#include "io_backend/direct_io.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/aligned_memory.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

constexpr uint32_t kAlignmentMax = 4096;  // what the buffers of StorageIo have

enum class Answer { kYes, kNo, kUnknown };

Answer AskStatx(int fd, uint32_t* alignment) {
  struct statx facts = {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) != 0) return Answer::kUnknown;
  if ((facts.stx_mask & STATX_DIOALIGN) == 0) return Answer::kUnknown;
  if (facts.stx_dio_mem_align == 0 || facts.stx_dio_offset_align == 0) return Answer::kNo;
  *alignment = std::max({facts.stx_dio_mem_align, facts.stx_dio_offset_align, 512u});
  return Answer::kYes;
}

bool TransferWorks(int fd, bool may_write, std::byte* block, uint32_t bytes) {
  if (!may_write) return pread(fd, block, bytes, 0) >= 0;
  const bool written = pwrite(fd, block, bytes, 0) == static_cast<ssize_t>(bytes);
  return ftruncate(fd, 0) == 0 && written;
}

}  // namespace

absl::StatusOr<uint32_t> ProbeDirectIo(int fd, bool may_write) {
  struct statfs fs;
  if (fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)) {
    return absl::FailedPreconditionError("O_DIRECT has no effect on a file system in memory");
  }
  uint32_t alignment = 0;
  switch (AskStatx(fd, &alignment)) {
    case Answer::kNo:
      return absl::FailedPreconditionError("statx says that this file has no direct I/O");
    case Answer::kYes:
      if (alignment > kAlignmentMax) {
        return absl::FailedPreconditionError(absl::StrCat("direct I/O wants an alignment of ",
                                                          alignment, " bytes here, more than ",
                                                          kAlignmentMax));
      }
      return alignment;
    case Answer::kUnknown:
      break;
  }
  ASSIGN_OR_RETURN(AlignedMemory block, AlignedMemory::Allocate(kAlignmentMax));
  for (const uint32_t bytes : {512u, kAlignmentMax}) {
    if (TransferWorks(fd, may_write, block.data(), bytes)) {
      // At the end of an empty file a read proves nothing about small alignments.
      return may_write ? bytes : kAlignmentMax;
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat("an aligned transfer with O_DIRECT failed: ", ErrnoName(errno)));
}

}  // namespace corewal
