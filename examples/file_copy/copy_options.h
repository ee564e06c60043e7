// examples/file_copy/copy_options.h: the command line.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_OPTIONS_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "examples/file_copy/copy_way.h"

namespace corewal {

struct CopyOptions {
  bool help = false;
  std::string source;
  std::string destination;
  std::vector<const CopyWay*> ways;  // at least one
  bool first_that_works = true;      // of the ways; else all, side by side
  uint32_t rounds = 1;
  uint32_t block_bytes = 1u << 20;
  uint32_t in_flight = 8;
};

extern const char kCopyHelp[];

// InvalidArgument: one line that says what is wrong.
absl::StatusOr<CopyOptions> ParseCopyOptions(absl::Span<char* const> arguments);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_OPTIONS_H_
