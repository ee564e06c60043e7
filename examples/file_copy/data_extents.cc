#include "examples/file_copy/data_extents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/errno_status.h"

namespace corewal {
namespace {

// Appends `extent`, rounded outwards, to extents that all begin before it.
void Add(DataExtent extent, std::vector<DataExtent>* extents) {
  extent.begin = extent.begin / kExtentBytes * kExtentBytes;
  extent.end = (extent.end + kExtentBytes - 1) / kExtentBytes * kExtentBytes;
  if (!extents->empty() && extent.begin <= extents->back().end) {
    extents->back().end = std::max(extents->back().end, extent.end);
  } else {
    extents->push_back(extent);
  }
}

}  // namespace

// lseek(2): without holes SEEK_HOLE finds the end of the file; ENXIO: no data from here on.
absl::StatusOr<std::vector<DataExtent>> FindDataExtents(const OpenFile& file) {
  std::vector<DataExtent> extents;
  off_t at = 0;
  for (;;) {
    const off_t begin = lseek(file.fd(), at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return extents;
    if (begin < 0) return ErrnoStatus(errno, "lseek(SEEK_DATA)", file.path());
    at = lseek(file.fd(), begin, SEEK_HOLE);
    if (at < 0) return ErrnoStatus(errno, "lseek(SEEK_HOLE)", file.path());
    Add({static_cast<uint64_t>(begin), static_cast<uint64_t>(at)}, &extents);
  }
}

std::vector<DataExtent> Union(const std::vector<DataExtent>& a, const std::vector<DataExtent>& b) {
  std::vector<DataExtent> all(a);
  all.insert(all.end(), b.begin(), b.end());
  std::sort(all.begin(), all.end(),
            [](const DataExtent& x, const DataExtent& y) { return x.begin < y.begin; });
  std::vector<DataExtent> merged;
  for (const DataExtent& extent : all) Add(extent, &merged);
  return merged;
}

uint64_t TotalBytes(const std::vector<DataExtent>& extents) {
  uint64_t total = 0;
  for (const DataExtent& extent : extents) total += extent.end - extent.begin;
  return total;
}

}  // namespace corewal
