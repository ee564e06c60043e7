// file_copy: copies a file through StorageIo and says what that cost. See --help.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "examples/file_copy/copy_options.h"
#include "examples/file_copy/copy_run.h"
#include "examples/file_copy/copy_table.h"
#include "examples/file_copy/data_extents.h"
#include "io_backend/file_system.h"

namespace corewal {
namespace {

// Before anything is copied: an old file is nobody's to replace.
absl::Status CheckNothingThere(const std::string& path) {
  struct stat facts;
  if (lstat(path.c_str(), &facts) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "lstat", path);
  }
  return absl::AlreadyExistsError(absl::StrCat(path, " exists and is not replaced; remove it"));
}

void PrintHeading(const CopyOptions& options, const CopyJob& job) {
  const uint64_t data_bytes = TotalBytes(job.extents);
  std::printf(
      "%s: %.1f MiB, %.1f MiB of it data; blocks of %u KiB, %u in flight; %s; cold source, "
      "synced copy\n",
      options.source.c_str(), static_cast<double>(job.size_bytes) / (1 << 20),
      static_cast<double>(data_bytes) / (1 << 20), job.block_bytes / 1024, job.in_flight,
      FileSystem::Host().TypeName(options.destination).c_str());
}

absl::Status Copy(const CopyOptions& options) {
  RETURN_IF_ERROR(CheckNothingThere(options.destination));
  CopyJob job = {.block_bytes = options.block_bytes, .in_flight = options.in_flight};
  {
    ASSIGN_OR_RETURN(const OpenFile source, FileSystem::Host().Open(options.source, {}));
    job.size_bytes = source.facts().size_bytes;
    ASSIGN_OR_RETURN(job.extents, FindDataExtents(source));
  }
  PrintHeading(options, job);
  const std::string temporary = absl::StrCat(options.destination, ".copying.", getpid());
  CopyTable table(TotalBytes(job.extents), options.ways);
  std::optional<CopyRun> last;
  const CopyWay* worked = nullptr;
  absl::Status refused;
  for (uint32_t round = 0; round < options.rounds; ++round) {
    for (const CopyWay* way : options.ways) {
      last.reset();  // removes it
      absl::StatusOr<CopyRun> run = RunCopy(job, *way, options.source, temporary);
      if (absl::IsFailedPrecondition(run.status())) {
        refused = run.status();
        table.NotToBeHad(*way, std::string(run.status().message()));
        continue;
      }
      RETURN_IF_ERROR(run.status());
      table.Add(*way, *run);
      last = *std::move(run);
      worked = way;
      if (options.first_that_works) break;
    }
  }
  table.Print(stdout);
  if (worked == nullptr) return refused;
  if (!last.has_value()) {  // the last way was refused
    ASSIGN_OR_RETURN(last, RunCopy(job, *worked, options.source, temporary));
  }
  return last->copy.KeepAs(options.destination);
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  const auto options = corewal::ParseCopyOptions({argv, static_cast<size_t>(argc)});
  if (options.ok() && options->help) {
    std::fputs(corewal::kCopyHelp, stdout);
    return 0;
  }
  std::signal(SIGXFSZ, SIG_IGN);  // beyond RLIMIT_FSIZE: an error like any other, not a death
  const absl::Status copied = options.ok() ? corewal::Copy(*options) : options.status();
  if (copied.ok()) return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "file_copy: %s\n", std::string(copied.message()).c_str());
  return absl::IsDataLoss(copied) ? 2 : 1;
}
