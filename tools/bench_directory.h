// tools/bench_directory.h: the directory of a benchmark's log, which is left as it was found.
//
// Only what a log consists of, by name, is ever removed: shard-NNNN/*.wal, the metadata file, the
// lock. A directory that holds anything else is refused before, and kept after.
#ifndef COREWAL_TOOLS_BENCH_DIRECTORY_H_
#define COREWAL_TOOLS_BENCH_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace corewal {

class BenchDirectory {
 public:
  enum class Expect : uint8_t { kNew, kExistingLog };

  // kNew: creates `path`, or takes an empty directory. FailedPrecondition: it holds a log, or
  // something else; each message says what to do. kExistingLog: takes a log that is there, or a new
  // directory.
  static absl::StatusOr<BenchDirectory> Claim(const std::string& path, Expect expect);

  const std::string& path() const { return path_; }

  // Removes the log, and the directory if Claim made it. FailedPrecondition: files that belong to
  // no log were left, named. The log must be closed.
  absl::Status Remove() const;

 private:
  BenchDirectory(std::string path, bool created) : path_(std::move(path)), created_(created) {}

  std::string path_;
  bool created_;
};

// The segment files of all shards of the log in `directory`, in order of shard and sequence.
absl::StatusOr<std::vector<std::string>> ListLogFiles(const std::string& directory);

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_DIRECTORY_H_
