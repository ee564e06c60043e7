#include "wal/sync_method.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/segment_file.h"

namespace corewal {
namespace {

constexpr uint32_t kProbeBlocks = 64;
constexpr int kRoundsMax = 200;

// A small prewritten file that goes away with it.
class ProbeFile {
 public:
  ProbeFile(FileSystem& files, StorageIo& io, std::string path)
      : files_(files), io_(io), path_(std::move(path)) {}
  ~ProbeFile() {
    if (file_.index != UINT32_MAX) io_.UnregisterFile(file_).IgnoreError();
    files_.Remove(path_).IgnoreError();
  }

  absl::Status Create(DirectMode direct) {
    files_.Remove(path_).IgnoreError();  // of a probe that was killed
    ASSIGN_OR_RETURN(OpenFile file,
                     OpenSegmentFile(files_, path_, OpenOptions::Access::kCreate, direct));
    ASSIGN_OR_RETURN(file_, io_.RegisterFile(file));
    for (uint32_t block = 0; block < kProbeBlocks; ++block) {
      RETURN_IF_ERROR(WriteBlock(block, WriteMode::kPlain));
    }
    return Sync();
  }

  absl::Status WriteBlock(uint32_t block, WriteMode mode) {
    ASSIGN_OR_RETURN(BufferLease buffer, io_.AcquireBuffer());
    std::memset(buffer.data(), static_cast<int>(block), kBlockBytes);
    RETURN_IF_ERROR(io_.Write({.file = file_,
                               .offset = FileOffset(uint64_t{block} * kBlockBytes),
                               .length = kBlockBytes,
                               .mode = mode},
                              std::move(buffer))
                        .status());
    return WaitForOne();
  }

  absl::Status Sync() {
    RETURN_IF_ERROR(io_.Sync({.file = file_}).status());
    return WaitForOne();
  }

 private:
  absl::Status WaitForOne() {
    std::array<Completion, 1> done;
    while (io_.Poll(absl::MakeSpan(done)) == 0) RETURN_IF_ERROR(io_.Wait(1, kNever));
    if (done[0].ok()) return absl::OkStatus();
    return ErrnoStatus(done[0].error, OpKindName(done[0].kind), path_);
  }

  FileSystem& files_;
  StorageIo& io_;
  const std::string path_;
  FileHandle file_;
};

double MedianUs(std::vector<MonotonicNs>& times) {
  if (times.empty()) return 0;
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                   times.end());
  return static_cast<double>(times[times.size() / 2]) * 1e-3;
}

}  // namespace

absl::string_view SyncMethodName(SyncMethod method) {
  switch (method) {
    case SyncMethod::kAuto:
      return "auto";
    case SyncMethod::kDsync:
      return "dsync";
    case SyncMethod::kDatasync:
      return "datasync";
    case SyncMethod::kRingDatasync:
      return "ring-datasync";
  }
  return "?";
}

std::optional<SyncMethod> ParseSyncMethod(absl::string_view name) {
  for (SyncMethod method :
       {SyncMethod::kAuto, SyncMethod::kDsync, SyncMethod::kDatasync, SyncMethod::kRingDatasync}) {
    if (name == SyncMethodName(method)) return method;
  }
  return std::nullopt;
}

std::string SyncProbe::ToString() const {
  return absl::StrFormat("dsync %.0f us, datasync %.0f us", dsync_us, datasync_us);
}

absl::StatusOr<SyncProbe> ProbeSyncMethod(FileSystem& files, StorageIo& io,
                                          const std::string& directory, DirectMode direct,
                                          uint32_t budget_ms) {
  const Clock& clock = Clock::System();
  const MonotonicNs deadline = clock.Now() + MonotonicNs{budget_ms} * 1'000'000;
  ProbeFile file(files, io, absl::StrCat(directory, "/sync-probe.tmp"));
  RETURN_IF_ERROR(file.Create(direct));
  std::vector<MonotonicNs> dsync, datasync;
  for (int round = 0; round < kRoundsMax; ++round) {
    const uint32_t block = static_cast<uint32_t>(2 * round) % kProbeBlocks;
    const MonotonicNs t0 = clock.Now();
    RETURN_IF_ERROR(file.WriteBlock(block, WriteMode::kDsync));
    const MonotonicNs t1 = clock.Now();
    RETURN_IF_ERROR(file.WriteBlock(block + 1, WriteMode::kPlain));
    RETURN_IF_ERROR(file.Sync());
    const MonotonicNs t2 = clock.Now();
    dsync.push_back(t1 - t0);
    datasync.push_back(t2 - t1);
    if (t2 >= deadline && round >= 2) break;
  }
  SyncProbe probe;
  probe.dsync_us = MedianUs(dsync);
  probe.datasync_us = MedianUs(datasync);
  probe.best = probe.dsync_us <= probe.datasync_us ? SyncMethod::kDsync : SyncMethod::kDatasync;
  return probe;
}

}  // namespace corewal
