#include "wal/sync_method.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
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
constexpr int kRoundsMin = 4;
constexpr double kClearlyBetter = 0.9;

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

double LowerQuartileUs(std::vector<MonotonicNs>& times) {
  if (times.empty()) return 0;
  const auto at = times.begin() + static_cast<ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), at, times.end());
  return static_cast<double>(*at) * 1e-3;
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

SyncProbe JudgeSyncTimes(std::vector<MonotonicNs> dsync, std::vector<MonotonicNs> datasync) {
  SyncProbe probe;
  probe.dsync_us = LowerQuartileUs(dsync);
  probe.datasync_us = LowerQuartileUs(datasync);
  const bool measured = !dsync.empty() && !datasync.empty();
  const bool datasync_better = probe.datasync_us < kClearlyBetter * probe.dsync_us;
  probe.best = measured && !datasync_better ? SyncMethod::kDsync : SyncMethod::kDatasync;
  return probe;
}

absl::StatusOr<SyncProbe> ProbeSyncMethod(FileSystem& files, StorageIo& io,
                                          const std::string& directory, DirectMode direct,
                                          uint32_t budget_ms) {
  const Clock& clock = Clock::System();
  const MonotonicNs deadline = clock.Now() + MonotonicNs{budget_ms} * 1'000'000;
  ProbeFile file(files, io, absl::StrCat(directory, "/sync-probe.tmp"));
  RETURN_IF_ERROR(file.Create(direct));
  std::vector<MonotonicNs> times[2];  // [0] DSYNC writes, [1] writes with a datasync
  for (int round = 0; round < kRoundsMax; ++round) {
    for (int turn = 0; turn < 2; ++turn) {
      const int method = (round + turn) % 2;  // neither is always the one that comes first
      const uint32_t block = static_cast<uint32_t>(2 * round + turn) % kProbeBlocks;
      const MonotonicNs begin = clock.Now();
      RETURN_IF_ERROR(file.WriteBlock(block, method == 0 ? WriteMode::kDsync : WriteMode::kPlain));
      if (method == 1) RETURN_IF_ERROR(file.Sync());
      times[method].push_back(clock.Now() - begin);
    }
    if (clock.Now() >= deadline && round >= kRoundsMin) break;
  }
  return JudgeSyncTimes(std::move(times[0]), std::move(times[1]));
}

}  // namespace corewal
