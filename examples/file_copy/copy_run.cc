#include "examples/file_copy/copy_run.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/clock.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "examples/file_copy/file_difference.h"
#include "examples/file_copy/plain_copy.h"
#include "examples/file_copy/storage_copy.h"
#include "io_backend/file_system.h"

namespace corewal {
namespace {

FileSystem& Host() { return FileSystem::Host(); }

// Closes both files.
absl::StatusOr<uint64_t> CopyBy(const CopyWay& way, const CopyJob& job, OpenFile source,
                                OpenFile copy) {
  switch (way.engine) {
    case CopyEngine::kReadWrite:
      return CopyByReadWrite(job, source, copy);
    case CopyEngine::kCopyFileRange:
      return CopyByCopyFileRange(job, source, copy);
    case CopyEngine::kRing:
      return CopyByStorage(job, std::move(source), std::move(copy), way.registered_buffers);
  }
  return absl::InternalError("no such engine");
}

absl::Status CopyPermissions(const std::string& from, const std::string& to) {
  struct stat facts = {};
  if (stat(from.c_str(), &facts) != 0) return ErrnoStatus(errno, "stat", from);
  if (chmod(to.c_str(), facts.st_mode & 0777) != 0) return ErrnoStatus(errno, "chmod", to);
  return absl::OkStatus();
}

}  // namespace

TemporaryCopy& TemporaryCopy::operator=(TemporaryCopy&& other) noexcept {
  if (this != &other) {
    Remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

void TemporaryCopy::Remove() {
  if (!path_.empty()) Host().Remove(path_).IgnoreError();
}

absl::Status TemporaryCopy::KeepAs(const std::string& path) {
  RETURN_IF_ERROR(Host().Rename(path_, path));
  path_.clear();
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return Host().SyncDirectory(parent.empty() ? "." : parent.string());
}

absl::StatusOr<CopyRun> RunCopy(const CopyJob& job, const CopyWay& way, const std::string& source,
                                const std::string& temporary) {
  DropFromPageCache(source);
  ASSIGN_OR_RETURN(OpenFile from, Host().Open(source, {.direct = way.direct}));
  ASSIGN_OR_RETURN(OpenFile to, Host().Open(temporary, {.access = OpenOptions::Access::kCreate,
                                                        .direct = way.direct}));
  CopyRun run = {.copy = TemporaryCopy(temporary)};
  if (std::max(from.facts().alignment, to.facts().alignment) > kExtentBytes) {
    return absl::FailedPreconditionError("O_DIRECT wants blocks of more than 4096 bytes here");
  }
  const CpuSpent cpu_before = CpuSpent::SoFar();
  const MonotonicNs began = Clock::System().Now();
  ASSIGN_OR_RETURN(run.calls, CopyBy(way, job, std::move(from), std::move(to)));
  RETURN_IF_ERROR(Host().Resize(temporary, job.size_bytes));  // and syncs it
  run.seconds = static_cast<double>(Clock::System().Now() - began) * 1e-9;
  run.cpu = CpuSpent::SoFar() - cpu_before;

  const std::optional<uint64_t> of_source = PageCacheBytes(source);
  const std::optional<uint64_t> of_copy = PageCacheBytes(temporary);
  if (of_source && of_copy) run.page_cache_bytes = *of_source + *of_copy;
  ASSIGN_OR_RETURN(const std::string difference, FileDifference(source, temporary));
  if (!difference.empty()) {
    return absl::DataLossError("the copy is not like the source: " + difference);
  }
  RETURN_IF_ERROR(CopyPermissions(source, temporary));
  return run;
}

}  // namespace corewal
