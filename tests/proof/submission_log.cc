#include "tests/proof/submission_log.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace corewal {

// proc(5), maps: "begin-end perms offset device inode path"; the entries are mapped at
// IORING_OFF_SQES (io_uring_setup(2)).
std::vector<io_uring_sqe> SubmittedEntries() {
  std::vector<io_uring_sqe> entries;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0, end = 0, offset = 0;
    if (line.find("io_uring") == std::string::npos ||
        std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &begin, &end, &offset) !=
            3 ||
        offset != IORING_OFF_SQES) {
      continue;
    }
    for (uint64_t at = begin; at + sizeof(io_uring_sqe) <= end; at += sizeof(io_uring_sqe)) {
      io_uring_sqe entry;
      std::memcpy(&entry, reinterpret_cast<const void*>(at), sizeof(entry));
      if (entry.user_data != 0) entries.push_back(entry);
    }
  }
  return entries;
}

}  // namespace corewal
