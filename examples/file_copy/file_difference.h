// examples/file_copy/file_difference.h: do two files hold the same bytes?
#ifndef COREWAL_EXAMPLES_FILE_COPY_FILE_DIFFERENCE_H_
#define COREWAL_EXAMPLES_FILE_COPY_FILE_DIFFERENCE_H_

#include <string>

#include "absl/status/statusor.h"

namespace corewal {

// Empty if `a` and `b` have the same size and content (a hole is as good as zeros), else where they
// differ first: "they differ at offset 8192", "a has 5 bytes, b 7". Both are read from the device
// where the page cache lets go of what it knows. Errors: as opening and reading give them.
absl::StatusOr<std::string> FileDifference(const std::string& a, const std::string& b);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_FILE_DIFFERENCE_H_
