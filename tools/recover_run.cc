#include "tools/recover_run.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "io_backend/storage_io_factory.h"
#include "tools/bench_directory.h"
#include "tools/cpu_time.h"
#include "tools/crashed_writer.h"
#include "tools/device_floor.h"
#include "tools/interrupt.h"
#include "tools/log_check.h"
#include "tools/median.h"
#include "tools/progress_line.h"
#include "tools/run_plan.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr int kRounds = 5;

MonotonicNs Now() { return Clock::System().Now(); }

class RecoverRun {
 public:
  explicit RecoverRun(const BenchOptions& options) : options_(options) {
    result_.workload = Workload::kRecover;
    // Nobody attaches a shard, so nothing is prepared while we read.
    options_.engine.threads = EngineOptions::Threads::kHost;
  }

  absl::StatusOr<BenchResult> Run();

 private:
  absl::Status Write();
  absl::Status ListStartedSegments();
  absl::Status DropPageCache();
  absl::Status Round();
  absl::Status FloorSlice();
  absl::Status TakeSettings();
  absl::Status Verify();
  void TakeFigures();

  BenchOptions options_;
  std::vector<uint64_t> records_;  // by shard
  std::vector<std::string> paths_;
  std::unique_ptr<DeviceFloor> floor_;
  std::vector<double> open_ms_, seconds_;
  CpuTime cpu_;
  double wall_s_ = 0;
  BenchResult result_;
};

absl::StatusOr<BenchResult> RecoverRun::Run() {
  RETURN_IF_ERROR(Write());
  RETURN_IF_ERROR(ListStartedSegments());
  if (options_.floor) {
    ASSIGN_OR_RETURN(floor_, DeviceFloor::Create({.directory = options_.directory,
                                                  .direct = options_.engine.shard.direct,
                                                  .file_bytes = DeviceFloor::kSyncEveryBytes}));
  }
  ProgressLine progress("reading back");
  RETURN_IF_ERROR(FloorSlice());
  for (int round = 0; round < kRounds && !Interrupted(); ++round) {
    progress.Update(static_cast<double>(round) / kRounds, "");
    RETURN_IF_ERROR(Round());
    RETURN_IF_ERROR(FloorSlice());
  }
  progress.Clear();
  RETURN_IF_ERROR(TakeSettings());
  TakeFigures();
  if (options_.verify && !Interrupted()) RETURN_IF_ERROR(Verify());
  return result_;
}

absl::Status RecoverRun::Write() {
  ProgressLine progress("writing the log to recover");
  progress.Update(-1, "");
  ASSIGN_OR_RETURN(const uint64_t free, FileSystem::Host().FreeBytes(options_.directory));
  BenchOptions writing = options_;
  writing.workload = Workload::kStream;
  SizeSegments(writing, 0, 0, free, &writing.engine.shard);
  options_.engine.shard.segment_bytes = writing.engine.shard.segment_bytes;
  ASSIGN_OR_RETURN(records_, WriteLogAndDie(writing));
  return absl::OkStatus();
}

// The floor reads what the log reads: segments that have started, not those prepared ahead.
absl::Status RecoverRun::ListStartedSegments() {
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io,
                   CreateStorageIo({.backend = IoBackend::kPosix}));
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    ASSIGN_OR_RETURN(
        const std::vector<SegmentFile> segments,
        ListSegments(FileSystem::Host(), *io, ShardDirectory(options_.directory, ShardId{i})));
    for (const SegmentFile& segment : segments) {
      if (segment.started()) paths_.push_back(segment.path);
    }
  }
  return absl::OkStatus();
}

absl::Status RecoverRun::DropPageCache() {
  for (const std::string& path : paths_) {
    ASSIGN_OR_RETURN(const OpenFile file, FileSystem::Host().Open(path, {}));
    posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
  return absl::OkStatus();
}

absl::Status RecoverRun::FloorSlice() {
  return floor_ == nullptr ? absl::OkStatus() : floor_->ReadSlice(paths_);
}

absl::Status RecoverRun::Round() {
  RETURN_IF_ERROR(DropPageCache());
  const CpuTime cpu = CpuTime::Now();
  const MonotonicNs begin = Now();
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(options_.engine));
  const MonotonicNs opened = Now();
  uint64_t records = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    ASSIGN_OR_RETURN(const auto replay, engine->Replay(ShardId{i}));
    for (RecordView record; replay->Next(&record);) {
      ++records;
      bytes += record.payload.size();
    }
    RETURN_IF_ERROR(replay->status());
  }
  const MonotonicNs end = Now();
  cpu_ += CpuTime::Now() - cpu;
  wall_s_ += static_cast<double>(end - begin) * 1e-9;
  open_ms_.push_back(static_cast<double>(opened - begin) * 1e-6);
  seconds_.push_back(static_cast<double>(end - opened) * 1e-9);
  result_.records = records;
  result_.payload_bytes = bytes;
  return engine->Close();
}

absl::Status RecoverRun::TakeSettings() {
  FileSystem& files = FileSystem::Host();
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, CreateStorageIo(options_.engine.shard.io));
  const IoCapabilities& capabilities = io->capabilities();
  result_.io = capabilities.backend;
  result_.ring_mode = capabilities.ring_mode;
  result_.sqpoll = capabilities.sqpoll;
  result_.registered_buffers = capabilities.registered_buffers;
  result_.registered_files = capabilities.registered_files;
  result_.fallback_reason = absl::StrJoin(capabilities.fallback_reasons, "; ");
  result_.buffers = capabilities.buffers;
  result_.buffer_bytes = capabilities.buffer_bytes;
  ASSIGN_OR_RETURN(const LogMeta meta, ReadLogMeta(files, options_.directory));
  const SyncMethod pinned = options_.engine.shard.sync_method;
  result_.sync_method =
      std::string(SyncMethodName(pinned == SyncMethod::kAuto ? meta.sync_method : pinned));
  result_.file_system = files.TypeName(options_.directory);
  result_.segment_bytes = options_.engine.shard.segment_bytes;
  if (paths_.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const OpenFile file,
                   files.Open(paths_[0], {.direct = options_.engine.shard.direct}));
  result_.direct = file.facts().direct;
  return absl::OkStatus();
}

void RecoverRun::TakeFigures() {
  result_.interrupted = Interrupted();
  if (seconds_.empty()) return;
  result_.seconds = Median(seconds_);
  result_.open_ms = Median(open_ms_);
  const auto records_read = static_cast<double>(result_.records * seconds_.size());
  if (records_read > 0) result_.cpu_us_per_record = cpu_.process_s * 1e6 / records_read;
  if (cpu_.machine_s && wall_s_ > 0.2) {
    result_.other_cpus = std::max(0.0, (*cpu_.machine_s - cpu_.process_s) / wall_s_);
    result_.stolen_cpus = cpu_.stolen_s.value_or(0) / wall_s_;
  }
  if (floor_ == nullptr) return;
  result_.floor_read_mb_per_s = floor_->read_mb_per_s();
  result_.floor_how = floor_->ReadHow();
  for (size_t i = 0; i < seconds_.size(); ++i) {
    const double mb_per_s = static_cast<double>(result_.payload_bytes) / 1e6 / seconds_[i];
    const std::vector<double>& floor = floor_->read_rates();
    result_.floor_ratios.push_back(mb_per_s / ((floor[i] + floor[i + 1]) / 2));
  }
}

absl::Status RecoverRun::Verify() {
  ProgressLine progress("comparing");
  LogCheckResult all;
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    LogCheckOptions check;
    check.directory = options_.directory;
    check.shard = ShardId{i};
    check.backend = options_.engine.shard.io.backend;
    check.direct = options_.engine.shard.direct;
    check.records = records_[i];
    check.watch = [&](uint64_t bytes) {
      progress.Update(static_cast<double>(all.payload_bytes + bytes) /
                          static_cast<double>(result_.payload_bytes + 1),
                      "");
    };
    ASSIGN_OR_RETURN(const LogCheckResult result,
                     CheckLog(check, MadeRecordCheck(ShardId{i}, options_.lengths, 1)));
    all.Merge(result);
  }
  result_.verified_records = all.records;
  result_.verify_errors = all.errors;
  result_.first_verify_error = all.first_error;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchResult> RunRecover(const BenchOptions& options) {
  return RecoverRun(options).Run();
}

}  // namespace corewal
