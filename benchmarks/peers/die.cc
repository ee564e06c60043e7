#include "benchmarks/peers/die.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "base/errno_status.h"

namespace corewal::peers {

void DieSaying(absl::string_view message) {
  std::fprintf(stderr, "peerbench: %s\n", std::string(message).c_str());
  _exit(1);
}

void DieOfErrno(absl::string_view call, absl::string_view path) {
  DieSaying(ErrnoStatus(errno, call, path).message());
}

}  // namespace corewal::peers
