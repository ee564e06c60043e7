#include "tools/probe_run.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "io_backend/storage_io_factory.h"
#include "tools/device_floor.h"
#include "tools/human_units.h"
#include "tools/machine_facts.h"
#include "tools/progress_line.h"
#include "tools/report_lines.h"
#include "wal/sync_method.h"

namespace corewal {
namespace {

constexpr int kRounds = 3;
constexpr double kSliceSeconds = 0.25;
constexpr uint64_t kFloorFileBytes = 512ull << 20;

std::string NamesOf(const std::vector<MachineProbe::Item>& items, bool granted) {
  std::vector<std::string> names;
  for (const MachineProbe::Item& item : items) {
    if (item.granted == granted) names.push_back(item.name);
  }
  return absl::StrJoin(names, ", ");
}

absl::Status MeasureFloor(const BenchOptions& options, ProbeFindings* findings) {
  ProgressLine progress("probing the device");
  ASSIGN_OR_RETURN(const uint64_t free, FileSystem::Host().FreeBytes(options.directory));
  DeviceFloor::Options floor_options;
  floor_options.directory = options.directory;
  floor_options.direct = options.engine.shard.direct;
  floor_options.file_bytes = kFloorFileBytes;
  while (floor_options.file_bytes > free / 4 &&
         floor_options.file_bytes > DeviceFloor::kSyncEveryBytes) {
    floor_options.file_bytes /= 2;
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceFloor> floor, DeviceFloor::Create(floor_options));
  for (int round = 0; round < kRounds; ++round) {
    progress.Update(static_cast<double>(round) / kRounds, "");
    RETURN_IF_ERROR(floor->CommitSlice(kSliceSeconds));
    RETURN_IF_ERROR(floor->StreamSlice(kSliceSeconds));
  }
  findings->dsync_per_s = floor->dsync_commits_per_s();
  findings->datasync_per_s = floor->datasync_commits_per_s();
  findings->figures.direct = floor->direct();
  findings->figures.floor_commits_per_s = floor->commits_per_s();
  findings->figures.floor_p50_us = floor->commit_p50_us();
  findings->figures.floor_mb_per_s = floor->stream_mb_per_s();
  findings->figures.floor_how = floor->StreamHow();
  return absl::OkStatus();
}

absl::Status ChooseAsAutoWould(const BenchOptions& options, ProbeFindings* findings) {
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, CreateStorageIo(options.engine.shard.io));
  const IoCapabilities& capabilities = io->capabilities();
  BenchResult& figures = findings->figures;
  figures.io = capabilities.backend;
  figures.ring_mode = capabilities.ring_mode;
  figures.sqpoll = capabilities.sqpoll;
  figures.registered_buffers = capabilities.registered_buffers;
  figures.registered_files = capabilities.registered_files;
  figures.fallback_reason = absl::StrJoin(capabilities.fallback_reasons, "; ");
  ASSIGN_OR_RETURN(
      const SyncProbe probe,
      ProbeSyncMethod(FileSystem::Host(), *io, options.directory, options.engine.shard.direct));
  figures.sync_method = std::string(SyncMethodName(probe.best));
  figures.sync_probe = probe.ToString();
  return absl::OkStatus();
}

std::string Recommend(const ProbeFindings& findings) {
  const BenchResult& figures = findings.figures;
  return absl::StrCat(
      "--io=", figures.io, " --sync=", figures.sync_method,
      " --direct=", figures.direct ? "on" : "off",
      " --sqpoll=off --registered_buffers=", figures.registered_buffers ? "on" : "off",
      " --registered_files=", figures.registered_files ? "on" : "off");
}

}  // namespace

absl::StatusOr<ProbeFindings> RunProbe(const BenchOptions& options) {
  ProbeFindings findings;
  findings.figures.workload = Workload::kProbe;
  findings.machine = ProbeMachine();
  findings.device = DeviceFacts::Of(options.directory);
  findings.cpus = UsableCpus();
  findings.figures.file_system = FileSystem::Host().TypeName(options.directory);
  RETURN_IF_ERROR(MeasureFloor(options, &findings));
  RETURN_IF_ERROR(ChooseAsAutoWould(options, &findings));
  findings.recommended = Recommend(findings);
  return findings;
}

std::vector<std::pair<std::string, std::string>> ProbeFindings::PageFacts() const {
  return {{"io_uring", machine.io_uring_allowed
                           ? absl::StrCat("granted; modes: ", NamesOf(machine.ring_modes, true))
                           : absl::StrCat("not granted: ", machine.io_uring_denial)},
          {"memory lock", machine.memlock_limit},
          {"durable 4 KiB, raw",
           absl::StrCat("pwritev2(RWF_DSYNC) ", HumanRate(dsync_per_s), "/s, pwrite + fdatasync ",
                        HumanRate(datasync_per_s), "/s")},
          {"durable stream, raw", HumanMbPerS(figures.floor_mb_per_s.value_or(0))},
          {"recommended flags", recommended}};
}

std::string ProbeFindings::ToTable(const BenchOptions& options) const {
  std::string table = absl::StrCat("corewal probe of ", options.directory, "\n\n");
  AddReportLine(
      &table, "kernel",
      absl::StrCat("Linux ", machine.kernel_release, ", ", cpus, cpus == 1 ? " CPU" : " CPUs"));
  AddReportLine(&table, "io_uring",
                machine.io_uring_allowed
                    ? absl::StrCat("granted; modes: ", NamesOf(machine.ring_modes, true))
                    : absl::StrCat("not granted: ", machine.io_uring_denial));
  for (const auto* items : {&machine.ring_modes, &machine.opcodes}) {
    for (const MachineProbe::Item& item : *items) {
      if (!item.granted && machine.io_uring_allowed) {
        AddReportLine(&table, "", absl::StrCat("not ", item.name, ": ", item.reason));
      }
    }
  }
  AddReportLine(
      &table, "memory lock",
      absl::StrCat(machine.memlock_limit, machine.memlock_exempt ? " (this process is exempt)" : "",
                   ": what registered buffers may take"));
  AddReportLine(&table, "file system",
                absl::StrCat(figures.file_system, ", ",
                             figures.direct ? "O_DIRECT works" : "no O_DIRECT: buffered"));
  AddReportLine(&table, "device", device.ToString());
  AddReportLine(
      &table, "durable 4 KiB",
      absl::StrCat("pwritev2(RWF_DSYNC) ", HumanRate(dsync_per_s), "/s, pwrite + fdatasync ",
                   HumanRate(datasync_per_s), "/s, one at a time, by raw system calls"));
  AddReportLine(
      &table, "durable stream",
      absl::StrCat(HumanMbPerS(figures.floor_mb_per_s.value_or(0)), ": ", figures.floor_how));
  AddReportLine(
      &table, "auto chooses",
      absl::StrCat("io ", figures.io,
                   figures.ring_mode.empty() ? "" : absl::StrCat(" (", figures.ring_mode, ")"),
                   ", sync ", figures.sync_method, " (", figures.sync_probe, ")"));
  if (!figures.fallback_reason.empty()) {
    AddReportLine(&table, "not granted", figures.fallback_reason);
  }
  AddReportLine(&table, "recommended", recommended);
  AddReportLine(&table, "",
                cpus < 4 ? "SQPOLL wants a core of its own; with this few it costs more "
                           "than it gives"
                         : "--sqpoll=on may be worth a try: there are cores to spare");
  return table;
}

}  // namespace corewal
