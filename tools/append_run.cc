#include "tools/append_run.h"

#include <algorithm>
#include <bit>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "tools/ack_log.h"
#include "tools/bench_log.h"
#include "tools/client_team.h"
#include "tools/commit_client.h"
#include "tools/cpu_time.h"
#include "tools/device_floor.h"
#include "tools/human_units.h"
#include "tools/interrupt.h"
#include "tools/progress_line.h"
#include "tools/run_plan.h"
#include "tools/shard_setup.h"
#include "tools/stream_client.h"
#include "tools/tail_readers.h"
#include "wal/format.h"

namespace corewal {
namespace {

constexpr uint64_t kStreamFloorBytes = 1ull << 30;
constexpr uint64_t kCommitFloorBytes = 64ull << 20;

double ThreadCpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// CPU time to make up one record, in the mean of the least disturbed attempt: part of what the run
// took, but not of what the log took.
double MakingMicros(const LengthDistribution& lengths) {
  constexpr int kAttempts = 5;
  constexpr double kLongEnoughSeconds = 0.002;
  MadeRecordSource source(ShardId{0}, 1, lengths);
  double least_us = std::numeric_limits<double>::infinity();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    uint64_t records = 0;
    double seconds = 0;
    const double begin = ThreadCpuSeconds();
    for (absl::Span<const std::byte> record; seconds < kLongEnoughSeconds;
         seconds = ThreadCpuSeconds() - begin) {
      for (int i = 0; i < 100; ++i, ++records, source.Take()) source.Peek(&record);
    }
    least_us = std::min(least_us, seconds * 1e6 / static_cast<double>(records));
  }
  return least_us;
}

class AppendRun {
 public:
  explicit AppendRun(const BenchOptions& options)
      : options_(options), plan_(RunPlan::For(options)) {
    result_.workload = options.workload;
  }

  absl::StatusOr<BenchResult> Run();

 private:
  bool stream() const { return options_.workload != Workload::kCommit; }
  bool mixed() const { return options_.workload == Workload::kMixed; }
  absl::Status MakeFloor();
  absl::Status FloorSlice();
  absl::Status OpenLog();
  absl::Status StartClients();
  absl::Status WorkSlices();
  void Watch(ProgressLine* progress);
  void TakeSample(double at_s);
  absl::Status FinishReaders();
  absl::Status FinishClients();
  void TakeSettings();
  void TakeFloor();
  absl::Status Verify();

  BenchOptions options_;  // a copy: segments are sized on the way
  const RunPlan plan_;
  std::unique_ptr<DeviceFloor> floor_;
  std::vector<double> work_rates_;
  std::unique_ptr<AckLog> acks_;
  std::unique_ptr<BenchLog> log_;
  std::unique_ptr<ClientTeam> team_;
  std::unique_ptr<TailReaders> readers_;
  LogCounters before_;
  SliceResult total_;
  double seconds_ = 0;  // of the slices that have ended
  MonotonicNs slice_begin_ = 0;
  CpuTime cpu_;
  BenchResult result_;
};

absl::StatusOr<BenchResult> AppendRun::Run() {
  if (options_.floor) RETURN_IF_ERROR(MakeFloor());
  RETURN_IF_ERROR(OpenLog());
  if (log_->found().errors > 0) {  // do not append to what is not ours, or damaged
    result_.verified_records = log_->found().records;
    result_.verify_errors = log_->found().errors;
    result_.first_verify_error = log_->found().first_error;
    TakeSettings();
    return result_;
  }
  RETURN_IF_ERROR(StartClients());
  RETURN_IF_ERROR(WorkSlices());
  if (mixed()) RETURN_IF_ERROR(FinishReaders());
  RETURN_IF_ERROR(FinishClients());
  if (floor_ != nullptr) TakeFloor();
  floor_.reset();
  result_.interrupted = Interrupted();
  // What the readers of a mixed run have read and checked is mostly gone from the log.
  if (options_.verify && !Interrupted() && !mixed()) RETURN_IF_ERROR(Verify());
  return result_;
}

absl::Status AppendRun::MakeFloor() {
  ASSIGN_OR_RETURN(const uint64_t free, FileSystem::Host().FreeBytes(options_.directory));
  DeviceFloor::Options floor;
  floor.directory = options_.directory;
  floor.direct = options_.engine.shard.direct;
  floor.file_bytes = stream() ? kStreamFloorBytes : kCommitFloorBytes;
  while (floor.file_bytes > free / 4 && floor.file_bytes > DeviceFloor::kSyncEveryBytes) {
    floor.file_bytes /= 2;
  }
  const auto mean = static_cast<uint64_t>(options_.made() ? options_.lengths.mean() : 1);
  floor.commit_bytes =
      std::min(RoundUpToBlock(kBatchHeaderBytes + FramedBytes(mean)), DeviceFloor::kSyncEveryBytes);
  ASSIGN_OR_RETURN(floor_, DeviceFloor::Create(floor));
  // The first slice also warms up; it is the estimate for SizeSegments, and counts.
  return FloorSlice();
}

absl::Status AppendRun::FloorSlice() {
  if (floor_ == nullptr || Interrupted()) return absl::OkStatus();
  return stream() ? floor_->StreamSlice(plan_.floor_slice_s)
                  : floor_->CommitSlice(plan_.floor_slice_s);
}

absl::Status AppendRun::OpenLog() {
  uint64_t input_bytes = 0;
  if (!options_.made()) {  // a file that cannot be read is found out before the log is touched
    ASSIGN_OR_RETURN(const auto input, InputRecordSource::Open(options_.input, 1, kRecordBytesMax));
    input_bytes = input->size_bytes().value_or(0);
  }
  if (!options_.acks.empty()) {
    ASSIGN_OR_RETURN(acks_, AckLog::Open(options_.acks, options_.engine.shards));
  }
  ASSIGN_OR_RETURN(const uint64_t free, FileSystem::Host().FreeBytes(options_.directory));
  SizeSegments(options_, floor_ != nullptr ? floor_->stream_mb_per_s() : 0, input_bytes, free,
               &options_.engine.shard);
  ASSIGN_OR_RETURN(log_, BenchLog::Open(options_));
  return absl::OkStatus();
}

absl::Status AppendRun::StartClients() {
  const uint64_t segments = options_.engine.shard.segments_first;
  // A latency about every 128 KiB; of each record, if they are that large.
  const uint64_t sample_every =
      std::bit_floor(static_cast<uint64_t>(131'072 / std::max(options_.lengths.mean(), 128.0)) | 1);
  ProgressLine progress("preparing segments");
  std::vector<std::unique_ptr<BenchClient>> clients;
  for (uint32_t i = 0; i < options_.clients; ++i) {
    ShardFeed* const feed = &log_->feed(i % options_.engine.shards);
    if (stream()) {
      const StreamClientOptions client{&log_->engine(), feed, acks_.get(), segments, sample_every};
      clients.push_back(options_.embedded ? MakeEmbeddedStreamClient(client)
                                          : MakeEngineStreamClient(client));
    } else {
      const CommitClientOptions client{&log_->engine(), feed, acks_.get(), options_.inflight,
                                       segments};
      clients.push_back(options_.embedded ? MakeEmbeddedCommitClient(client)
                                          : MakeEngineCommitClient(client));
    }
  }
  team_ = std::make_unique<ClientTeam>(std::move(clients));
  progress.Update(-1, absl::StrCat(segments * options_.engine.shards, " of ",
                                   HumanBytes(options_.engine.shard.segment_bytes)));
  const SliceResult started = team_->Start();
  RETURN_IF_ERROR(started.status);
  before_ = started.counters;
  if (options_.embedded) return absl::OkStatus();
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    RETURN_IF_ERROR(PrepareEngineShard(log_->engine(), ShardId{i}, segments));
  }
  before_ = log_->SettledCounters(0);
  if (mixed()) readers_ = std::make_unique<TailReaders>(&log_->engine(), options_);
  return absl::OkStatus();
}

absl::Status AppendRun::WorkSlices() {
  ProgressLine progress{std::string(WorkloadName(options_.workload))};
  for (int round = 0; round < plan_.rounds && !Interrupted(); ++round) {
    slice_begin_ = Clock::System().Now();
    const CpuTime begin = CpuTime::Now();
    const SliceResult slice = team_->Run(plan_.Limits(options_), [&] { Watch(&progress); });
    cpu_ += CpuTime::Now() - begin;
    RETURN_IF_ERROR(slice.status);
    total_.Merge(slice);
    seconds_ += slice.seconds();
    TakeSample(seconds_);
    result_.series.slice_ends.push_back(seconds_);
    if (slice.records > 0) {
      const auto amount = static_cast<double>(stream() ? slice.payload_bytes : slice.records);
      work_rates_.push_back(amount / (stream() ? 1e6 : 1) / slice.seconds());
      if (readers_ != nullptr)
        readers_->WaitFor(total_.records);  // the floor is the device's alone
      RETURN_IF_ERROR(FloorSlice());
    }
  }
  return absl::OkStatus();
}

void AppendRun::TakeSample(double at_s) {
  uint64_t rolls = 0;
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    rolls += log_->engine().info(ShardId{i}).writer.rolls;
  }
  result_.series.Add({at_s, team_->records_so_far(), team_->payload_bytes_so_far(), rolls});
}

void AppendRun::Watch(ProgressLine* progress) {
  const auto bytes = static_cast<double>(team_->payload_bytes_so_far());
  const auto records = static_cast<double>(team_->records_so_far());
  const double seconds =
      seconds_ + static_cast<double>(Clock::System().Now() - slice_begin_) * 1e-9;
  TakeSample(seconds);
  double fraction = -1;
  if (log_->input() != nullptr && log_->input()->size_bytes().value_or(0) > 0) {
    fraction = bytes / static_cast<double>(*log_->input()->size_bytes());
  } else if (options_.payload_bytes) {
    fraction = bytes / static_cast<double>(*options_.payload_bytes);
  } else if (options_.records) {
    fraction = records / static_cast<double>(*options_.records);
  } else if (options_.seconds) {
    fraction = seconds / *options_.seconds;
  }
  progress->Update(std::min(fraction, 1.0),
                   absl::StrCat(HumanRate(records / std::max(seconds, 1e-3)), " records/s"));
}

absl::Status AppendRun::FinishReaders() {
  ProgressLine progress("the reader catches up");
  progress.Update(-1, "");
  const TailReaders::Result read = readers_->Finish(total_.records);
  RETURN_IF_ERROR(read.status);
  result_.reader_records = read.records;
  result_.reader_lag_bytes_max = read.lag_bytes_max;
  result_.truncations = read.truncations;
  result_.verified_records = read.records - read.errors;
  result_.verify_errors = read.errors;
  result_.first_verify_error = read.first_error;
  return absl::OkStatus();
}

absl::Status AppendRun::FinishClients() {
  LogCounters after;
  if (!options_.embedded) after = log_->SettledCounters(total_.records);
  const SliceResult finished = team_->Finish();
  RETURN_IF_ERROR(finished.status);
  if (options_.embedded) after = finished.counters;
  TakeSettings();
  result_.records = total_.records;
  result_.payload_bytes = total_.payload_bytes;
  result_.seconds = seconds_;
  result_.latency_ns = total_.latency_ns;
  result_.TakePercentiles();
  if (total_.records > 0) {
    result_.cpu_us_per_record = cpu_.process_s * 1e6 / static_cast<double>(total_.records);
    if (options_.made()) result_.making_us_per_record = MakingMicros(options_.lengths);
  }
  if (cpu_.machine_s && seconds_ > 0.2) {
    result_.other_cpus = std::max(0.0, (*cpu_.machine_s - cpu_.process_s) / seconds_);
    result_.stolen_cpus = cpu_.stolen_s.value_or(0) / seconds_;
  }
  result_.syncs = after.syncs;
  result_.writes = after.writes;
  result_.bytes_written = after.bytes_written;
  result_.segments_before = before_.segments_ready;
  result_.segments_during = after.segments_prepared - before_.segments_prepared;
  result_.prepared_bytes = after.prepared_bytes - before_.prepared_bytes;
  return log_->Close();
}

void AppendRun::TakeSettings() {
  const ShardInfo info = log_->engine().info(ShardId{0});
  result_.io = info.io.backend;
  result_.ring_mode = info.io.ring_mode;
  result_.sync_method = std::string(SyncMethodName(info.sync_method));
  result_.sync_probe = info.sync_probe;
  result_.direct = info.direct;
  result_.sqpoll = info.io.sqpoll;
  result_.registered_buffers = info.io.registered_buffers;
  result_.registered_files = info.io.registered_files;
  result_.fallback_reason = absl::StrJoin(info.io.fallback_reasons, "; ");
  result_.file_system = info.file_system;
  result_.segment_bytes = options_.engine.shard.segment_bytes;
  result_.buffers = info.io.buffers;
  result_.buffer_bytes = info.io.buffer_bytes;
}

void AppendRun::TakeFloor() {
  const std::vector<double>& floor = stream() ? floor_->stream_rates() : floor_->commit_rates();
  // An interrupt may have kept the last slice from being measured.
  if (work_rates_.empty() || floor.size() <= work_rates_.size()) return;
  for (size_t i = 0; i < work_rates_.size(); ++i) {
    result_.floor_ratios.push_back(work_rates_[i] / ((floor[i] + floor[i + 1]) / 2));
  }
  if (stream()) {
    result_.floor_mb_per_s = floor_->stream_mb_per_s();
    result_.floor_how = floor_->StreamHow();
  } else {
    result_.floor_commits_per_s = floor_->commits_per_s();
    result_.floor_p50_us = floor_->commit_p50_us();
    result_.floor_how = floor_->CommitHow();
  }
}

absl::Status AppendRun::Verify() {
  ProgressLine progress("reading everything back");
  const auto all = static_cast<double>(total_.payload_bytes + log_->found().payload_bytes);
  ASSIGN_OR_RETURN(const LogCheckResult check, log_->Verify([&](uint64_t bytes) {
    progress.Update(static_cast<double>(bytes) / std::max(all, 1.0), "");
  }));
  result_.verified_records = check.records;
  result_.verify_errors = check.errors;
  result_.first_verify_error = check.first_error;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchResult> RunAppends(const BenchOptions& options) {
  return AppendRun(options).Run();
}

}  // namespace corewal
