#include "examples/file_copy/file_difference.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "examples/file_copy/data_extents.h"
#include "io_backend/file_system.h"

namespace corewal {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

absl::StatusOr<OpenFile> OpenForReading(const std::string& path) {
  ASSIGN_OR_RETURN(OpenFile file, FileSystem::Host().Open(path, {}));
  // Clean pages are dropped, so that what the device has is compared, not what it was sent.
  (void)posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  return file;
}

// Fills `out` from `offset` on, or up to the end of the file; returns how many bytes.
absl::StatusOr<size_t> ReadAt(const OpenFile& file, uint64_t offset, absl::Span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(file.fd(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return ErrnoStatus(errno, "pread", file.path(),
                         {.offset = offset + done, .length = out.size() - done});
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace

absl::StatusOr<std::string> FileDifference(const std::string& a, const std::string& b) {
  ASSIGN_OR_RETURN(const OpenFile first, OpenForReading(a));
  ASSIGN_OR_RETURN(const OpenFile second, OpenForReading(b));
  if (first.facts().size_bytes != second.facts().size_bytes) {
    return absl::StrCat(a, " has ", first.facts().size_bytes, " bytes, ", b, " ",
                        second.facts().size_bytes);
  }
  ASSIGN_OR_RETURN(const auto data_of_first, FindDataExtents(first));
  ASSIGN_OR_RETURN(const auto data_of_second, FindDataExtents(second));
  std::vector<std::byte> left(kPieceBytes), right(kPieceBytes);
  for (const DataExtent& extent : Union(data_of_first, data_of_second)) {
    for (uint64_t at = extent.begin; at < extent.end; at += kPieceBytes) {
      const size_t want = std::min<uint64_t>(kPieceBytes, extent.end - at);
      ASSIGN_OR_RETURN(const size_t got, ReadAt(first, at, absl::MakeSpan(left).first(want)));
      ASSIGN_OR_RETURN(const size_t other, ReadAt(second, at, absl::MakeSpan(right).first(want)));
      const size_t both = std::min(got, other);
      const auto end = left.begin() + static_cast<ptrdiff_t>(both);
      const auto differs = std::mismatch(left.begin(), end, right.begin()).first;
      if (differs != end || got != other) {
        const auto place = at + static_cast<uint64_t>(differs - left.begin());
        return absl::StrCat("they differ at offset ", place);
      }
    }
  }
  return std::string();
}

}  // namespace corewal
