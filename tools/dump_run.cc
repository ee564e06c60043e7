#include "tools/dump_run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io_factory.h"
#include "tools/ack_check.h"
#include "tools/ack_table.h"
#include "tools/dump_target.h"
#include "tools/follow_run.h"
#include "tools/human_units.h"
#include "tools/log_summary.h"
#include "tools/output.h"
#include "tools/progress_line.h"
#include "tools/repair_run.h"
#include "wal/log_reader.h"

namespace corewal {
namespace {

using What = DumpOptions::What;

void Say(absl::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

// What the user can do about it, where the message does not say.
absl::string_view Advice(const absl::Status& status) {
  if (absl::IsPermissionDenied(status)) return "; run wal-dump as a user who may read it";
  if (absl::IsNotFound(status)) return "; check the path";
  return "";
}

// Records are counted from the log's first one. Empty: it is there.
std::string LostBeginning(const DumpTarget& target) {
  const SegmentFile* const first = target.FirstStarted();
  if (first == nullptr || first->header.previous_sequence == 0) return "";
  return absl::StrCat("the log's beginning is missing (lost, or truncated on purpose): ",
                      first->path, ", offset 0, goes on from segment ",
                      SegmentFileName(first->header.previous_sequence), ", which is not there");
}

// One run over all that was named. The exit code only gets worse.
class DumpRun {
 public:
  explicit DumpRun(const DumpOptions& options)
      : options_(options),
        form_(options.format == DumpFormat::kJson ? FieldLine::Form::kJson
                                                  : FieldLine::Form::kText),
        out_(STDOUT_FILENO, "standard output"),
        printer_(options.format, &out_) {}

  DumpExit Run();

 private:
  absl::Status RunAll();
  absl::Status RunTarget(const DumpTarget& target);
  absl::Status DumpRecords(const DumpTarget& target, LogReader* reader);
  absl::Status CheckAcks(const DumpTarget& target, LogReader* reader);
  absl::Status SumUp(const DumpTarget& target, LogReader* reader);
  absl::Status Repair(const DumpTarget& target);
  static absl::Status ExplainIfEmpty(const DumpTarget& target, const LogEndReport& end);
  void SayMissingShards(const DumpTargets& targets);
  void PrintAckVerdict(ShardId shard, const AckCheck& check, const std::string& violation);
  void PrintHeaders(const std::string& path, const SegmentHeader& segment,
                    const BatchHeader& batch);
  void Judge(const LogEndReport& end);
  void Worsen(DumpExit exit) { exit_ = std::max(exit_, exit); }
  void Fail(const absl::Status& status);
  bool done() const { return out_.finished() || records_ == options_.filter.records_max; }

  const DumpOptions& options_;
  const FieldLine::Form form_;
  Output out_;
  RecordPrinter printer_;
  std::unique_ptr<StorageIo> io_;
  AckTable acks_;
  DumpExit exit_ = DumpExit::kClean;
  uint64_t records_ = 0;  // printed
  // The headers printed last.
  uint64_t segment_printed_ = 0;
  Lsn batch_printed_;
};

DumpExit DumpRun::Run() {
  const absl::Status status = RunAll();
  // Results first, whatever was wrong after them.
  const absl::Status sent = out_.Send();
  Fail(status);
  Fail(sent);
  return exit_;
}

absl::Status DumpRun::RunAll() {
  if (options_.what == What::kCheckAcks) {
    ASSIGN_OR_RETURN(acks_, AckTable::Read(options_.acks_file));
    if (acks_.last_line_cut()) {
      Say(absl::StrCat("check_acks: ", options_.acks_file,
                       ": the last line has no end and was left out"));
    }
  }
  std::vector<std::unique_ptr<DirectoryLock>> locks;
  if (options_.what == What::kRepair) {
    RETURN_IF_ERROR(CheckRepairable(FileSystem::Host(), options_.paths));
    if (options_.yes) {
      ASSIGN_OR_RETURN(locks, LockForRepair(FileSystem::Host(), options_.paths));
    }
  }
  ASSIGN_OR_RETURN(io_, CreateStorageIo({}));
  ASSIGN_OR_RETURN(const DumpTargets targets,
                   ResolveTargets(FileSystem::Host(), *io_, options_.paths));
  for (const std::string& note : targets.notes) Say(absl::StrCat("wal-dump: ", note));
  if (options_.follow) {
    return FollowLogs(targets.targets, {options_.filter, options_.headers}, &printer_, &out_);
  }
  bool any = false;
  for (const DumpTarget& target : targets.targets) {
    if (done()) break;
    if (!options_.filter.WantsShard(target.shard)) continue;
    any = true;
    // One shard that cannot be read does not hide the others.
    Fail(RunTarget(target));
  }
  if (!any && options_.filter.shard.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("--shard=", ToIndex(*options_.filter.shard),
                                                   ": there is no such shard in what was named"));
  }
  if (options_.what == What::kCheckAcks) SayMissingShards(targets);
  return absl::OkStatus();
}

absl::Status DumpRun::RunTarget(const DumpTarget& target) {
  RETURN_IF_ERROR(target.problem);
  if (options_.what == What::kRepair) return Repair(target);
  LogReaderOptions reader_options{.from = options_.filter.from, .to = options_.filter.to};
  // All headers of what is read, or only those above the records picked.
  if (options_.headers && !options_.filter.picks()) {
    reader_options.on_batch = [this](const std::string& path, const SegmentHeader& segment,
                                     const BatchHeader& batch) {
      PrintHeaders(path, segment, batch);
    };
  }
  FileSystem& files = FileSystem::Host();
  absl::StatusOr<std::unique_ptr<LogReader>> opened =
      target.is_directory ? LogReader::Open(files, *io_, target.path, reader_options)
                          : LogReader::OpenFiles(files, *io_, target.segments, reader_options);
  if (absl::IsFailedPrecondition(opened.status()) && !target.if_empty.ok()) return target.if_empty;
  RETURN_IF_ERROR(opened.status());
  LogReader* const reader = opened->get();
  switch (options_.what) {
    case What::kRecords:
      return DumpRecords(target, reader);
    case What::kCheckAcks:
      return CheckAcks(target, reader);
    case What::kSummary:
    case What::kVerify:
      return SumUp(target, reader);
    case What::kRepair:
      break;
  }
  return absl::OkStatus();
}

absl::Status DumpRun::Repair(const DumpTarget& target) {
  const RepairRunOptions repair{options_.yes, form_};
  ASSIGN_OR_RETURN(const bool clean, RepairShard(FileSystem::Host(), *io_, target, repair, &out_));
  if (!clean) Worsen(DumpExit::kDamaged);
  return absl::OkStatus();
}

// Reads to the end; on a terminal says how far it is.
void ReadAll(const DumpTarget& target, LogReader* reader) {
  constexpr uint64_t kLookEvery = 1 << 16;
  uint64_t bytes = 0;
  for (const SegmentFile& segment : target.segments) bytes += segment.size_bytes;
  ProgressLine progress(absl::StrCat("reading shard ", ToIndex(target.shard)));
  const MonotonicNs begin = Clock::System().Now();
  RecordView record;
  while (reader->Next(&record)) {
    if (reader->totals().records % kLookEvery != 0) continue;
    const auto read = static_cast<double>(reader->totals().file_bytes);
    const double seconds = static_cast<double>(Clock::System().Now() - begin) * 1e-9;
    progress.Update(read / static_cast<double>(bytes), HumanMbPerS(read / 1e6 / seconds));
  }
}

absl::Status DumpRun::SumUp(const DumpTarget& target, LogReader* reader) {
  ReadAll(target, reader);
  RETURN_IF_ERROR(ExplainIfEmpty(target, reader->end()));
  const LogSummary summary{target, reader->totals(), reader->end()};
  if (options_.what == What::kSummary) {
    PrintSummary(summary, form_, &out_);
  } else {
    PrintVerdict(summary, form_, &out_);
  }
  Judge(reader->end());
  return absl::OkStatus();
}

absl::Status DumpRun::DumpRecords(const DumpTarget& target, LogReader* reader) {
  const DumpFilter& filter = options_.filter;
  const bool picks = filter.picks();
  segment_printed_ = 0;
  batch_printed_ = Lsn(0);
  RecordView record;
  while (reader->Next(&record)) {
    if (picks && !filter.WantsRecord(record)) continue;
    if (options_.headers && picks) {
      PrintHeaders(reader->segment_path(), reader->segment_header(), reader->batch_header());
    }
    printer_.PrintRecord(target.shard, record);
    ++records_;
    if (done()) return absl::OkStatus();
  }
  RETURN_IF_ERROR(ExplainIfEmpty(target, reader->end()));
  if (options_.headers && !picks && segment_printed_ == 0) {
    const SegmentFile* const first = target.FirstStarted();  // a log without a batch
    if (first != nullptr) printer_.PrintSegment(first->header, first->path);
  }
  Judge(reader->end());
  const LogEnd end = reader->end().end;
  const bool as_usual = end == LogEnd::kSealed || end == LogEnd::kLimit;
  if (options_.format != DumpFormat::kText && as_usual) return absl::OkStatus();
  // In this order on a terminal, too. A failure to send is reported at the end.
  if (out_.Send().ok()) Say(EndLine(target.shard, reader->end()));
  return absl::OkStatus();
}

absl::Status DumpRun::ExplainIfEmpty(const DumpTarget& target, const LogEndReport& end) {
  if (end.end != LogEnd::kEmpty) return absl::OkStatus();
  RETURN_IF_ERROR(target.if_empty);
  if (!target.note_if_empty.empty()) Say(absl::StrCat("wal-dump: ", target.note_if_empty));
  return absl::OkStatus();
}

void DumpRun::PrintHeaders(const std::string& path, const SegmentHeader& segment,
                           const BatchHeader& batch) {
  const DumpFilter& filter = options_.filter;
  if (batch.lsn + batch.length_bytes <= filter.from || batch.lsn >= filter.to) return;
  if (batch.lsn == batch_printed_) return;
  if (segment.sequence != segment_printed_) printer_.PrintSegment(segment, path);
  segment_printed_ = segment.sequence;
  printer_.PrintBatch(batch, segment);
  batch_printed_ = batch.lsn;
}

absl::Status DumpRun::CheckAcks(const DumpTarget& target, LogReader* reader) {
  AckCheck check(target.shard, acks_.Of(target.shard));
  RecordView record;
  std::string violation = LostBeginning(target);
  while (violation.empty() && reader->Next(&record)) {
    if (check.Take(record)) continue;
    violation = absl::StrCat(check.violation(), "; in ", reader->segment_path());
    const Lsn base = reader->segment_header().base_lsn;
    if (record.lsn > base) absl::StrAppend(&violation, ", offset ", record.lsn - base);
  }
  if (violation.empty()) {
    RETURN_IF_ERROR(ExplainIfEmpty(target, reader->end()));
    // What could not be read is not missing yet.
    if (reader->end().end == LogEnd::kFailed) return reader->end().ToStatus();
    check.Finish(reader->end().ToString());
    violation = check.violation();
    if (violation.empty()) violation = std::string(reader->end().ToStatus().message());
  }
  PrintAckVerdict(target.shard, check, violation);
  return absl::OkStatus();
}

void DumpRun::PrintAckVerdict(ShardId shard, const AckCheck& check, const std::string& violation) {
  if (!violation.empty()) Worsen(DumpExit::kDamaged);
  if (form_ == FieldLine::Form::kJson) {
    FieldLine(form_, "check_acks", &out_)
        .Add("shard", ToIndex(shard))
        .Add("acknowledged", check.acknowledged())
        .Add("found", check.found())
        .Add("violation", violation);
    return;
  }
  out_.Append(absl::StrCat("check_acks: shard ", ToIndex(shard), ": "));
  if (violation.empty()) {
    out_.Append(absl::StrCat(check.acknowledged(), " acknowledged, ", check.found(),
                             " found, in order, content verified\n"));
  } else {
    out_.Append(absl::StrCat("FAILED: ", violation, "\n"));
  }
}

void DumpRun::SayMissingShards(const DumpTargets& targets) {
  for (const ShardId shard : acks_.shards()) {
    const bool found =
        std::any_of(targets.targets.begin(), targets.targets.end(),
                    [shard](const DumpTarget& target) { return target.shard == shard; });
    if (found || !options_.filter.WantsShard(shard)) continue;
    AckCheck check(shard, acks_.Of(shard));
    check.Finish(absl::StrCat("the log has no shard ", ToIndex(shard)));
    PrintAckVerdict(shard, check, check.violation());
  }
}

void DumpRun::Judge(const LogEndReport& end) {
  if (end.end == LogEnd::kDamaged) Worsen(DumpExit::kDamaged);
  if (end.end == LogEnd::kFailed) Worsen(DumpExit::kEnvironment);
}

void DumpRun::Fail(const absl::Status& status) {
  if (status.ok()) return;
  Worsen(absl::IsDataLoss(status) ? DumpExit::kDamaged : DumpExit::kEnvironment);
  Say(absl::StrCat("wal-dump: ", status.message(), Advice(status)));
}

}  // namespace

absl::Status DumpOptions::Validate() const {
  if (paths.empty()) {
    return absl::InvalidArgumentError("no log named; try: wal-dump DIR, or wal-dump --help");
  }
  const bool only_shard = !filter.cuts() && !filter.picks();
  if (what != What::kRecords && filter.picks()) {
    return absl::InvalidArgumentError(
        "--epoch, --limit and --grep choose records to print; --summary, --verify, --check_acks "
        "and "
        "--repair print none");
  }
  if (what == What::kRepair && !only_shard) {
    return absl::InvalidArgumentError(
        "--repair reads a shard's whole log: --from and --to do not go with it");
  }
  if (yes && what != What::kRepair) {
    return absl::InvalidArgumentError("--yes goes with --repair, which it confirms");
  }
  if (what == What::kCheckAcks && !only_shard) {
    return absl::InvalidArgumentError(
        "--check_acks counts every record of a shard: --from and --to do not go with it");
  }
  if (what != What::kRecords && format == DumpFormat::kRaw) {
    return absl::InvalidArgumentError("--format=raw prints records; use text or json here");
  }
  if (what != What::kRecords && headers) {
    return absl::InvalidArgumentError("--headers goes with records; leave it out here");
  }
  if (follow && what != What::kRecords) {
    return absl::InvalidArgumentError(
        "--follow prints records: --summary, --verify, --check_acks and --repair do not go with "
        "it");
  }
  if (filter.from >= filter.to) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from=", filter.from.value(), " is not below --to=", filter.to.value()));
  }
  return absl::OkStatus();
}

DumpExit RunDump(const DumpOptions& options) { return DumpRun(options).Run(); }

}  // namespace corewal
