// examples/file_copy/data_extents.h: where a file has data, so that its holes stay holes in a copy.
#ifndef COREWAL_EXAMPLES_FILE_COPY_DATA_EXTENTS_H_
#define COREWAL_EXAMPLES_FILE_COPY_DATA_EXTENTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "io_backend/file_system.h"

namespace corewal {

// Extents begin and end on multiples of this, as O_DIRECT wants it; the last one may end beyond the
// end of the file.
inline constexpr uint64_t kExtentBytes = 4096;

struct DataExtent {
  uint64_t begin = 0;
  uint64_t end = 0;
  friend bool operator==(const DataExtent&, const DataExtent&) = default;
};

// Ascending, apart from one another, nothing but zeros outside. A file system that does not know
// holes gives one extent, the whole file. Moves the descriptor's position.
absl::StatusOr<std::vector<DataExtent>> FindDataExtents(const OpenFile& file);

// What is in either, merged.
std::vector<DataExtent> Union(const std::vector<DataExtent>& a, const std::vector<DataExtent>& b);

uint64_t TotalBytes(const std::vector<DataExtent>& extents);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_DATA_EXTENTS_H_
