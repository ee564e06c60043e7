// examples/file_copy/copy_run.h: one copy by one way: made, durable, compared, measured.
//
//   drop the source from the page cache -> [copy -> cut to size -> sync] -> measure -> compare
//                                           \___ timed ____________/
//
// The copy has a name of its own until KeepAs: whatever ends the program, no half of a copy is ever
// taken for the file.
#ifndef COREWAL_EXAMPLES_FILE_COPY_COPY_RUN_H_
#define COREWAL_EXAMPLES_FILE_COPY_COPY_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/file_copy/copy_cost.h"
#include "examples/file_copy/copy_job.h"
#include "examples/file_copy/copy_way.h"

namespace corewal {

// A file that is removed unless it is kept.
class TemporaryCopy {
 public:
  explicit TemporaryCopy(std::string path) : path_(std::move(path)) {}
  TemporaryCopy(TemporaryCopy&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryCopy& operator=(TemporaryCopy&& other) noexcept;
  ~TemporaryCopy() { Remove(); }

  const std::string& path() const { return path_; }
  // Gives it its name, durably. AlreadyExists: there is such a file; it is not touched.
  absl::Status KeepAs(const std::string& path);

 private:
  void Remove();
  std::string path_;  // empty: moved from or kept
};

struct CopyRun {
  TemporaryCopy copy;
  double seconds = 0;
  CpuSpent cpu;
  uint64_t calls = 0;                        // system calls that move bytes or wait for that
  std::optional<uint64_t> page_cache_bytes;  // of both files
};

// FailedPrecondition: this way is not to be had here; the message says why and what to change.
// DataLoss: the copy differs from the source. Else: as the operations fail.
absl::StatusOr<CopyRun> RunCopy(const CopyJob& job, const CopyWay& way, const std::string& source,
                                const std::string& temporary);

}  // namespace corewal

#endif  // COREWAL_EXAMPLES_FILE_COPY_COPY_RUN_H_
