#include "tools/repair_run.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tools/log_repair.h"
#include "tools/log_summary.h"
#include "wal/log_meta.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

// A later file may turn out to bear witness only once the first ones are out of the way.
constexpr int kPassesMax = 100;

class ShardRepair {
 public:
  ShardRepair(FileSystem& files, StorageIo& io, const DumpTarget& target,
              const RepairRunOptions& options, Output* out)
      : files_(files), io_(io), target_(target), options_(options), out_(*out) {}

  absl::StatusOr<bool> Run();

 private:
  bool text() const { return options_.form == FieldLine::Form::kText; }
  void PrintPlan(const RepairPlan& plan, bool first);
  void PrintVerdict(const RepairPlan& plan, absl::string_view verdict);

  FileSystem& files_;
  StorageIo& io_;
  const DumpTarget& target_;
  const RepairRunOptions options_;
  Output& out_;
};

void ShardRepair::PrintPlan(const RepairPlan& plan, bool first) {
  if (text() && first) {
    out_.Append(absl::StrCat(EndLine(target_.shard, plan.end), "\n", "  kept  ", plan.records,
                             " records, all before lsn ", plan.end.lsn.value(), "\n", "  lost  ",
                             plan.lost.ToString(), "\n"));
  } else if (first) {
    const LostRecords& lost = plan.lost;
    FieldLine(options_.form, "damage", &out_)
        .Add("shard", ToIndex(target_.shard))
        .Add("message", plan.end.ToString())
        .Add("row", plan.end.row)
        .Add("records_kept", plan.records)
        .Add("lost_from_lsn", lost.from.value())
        .Add("lost_to_lsn", lost.to.value())
        .Add("lost_records", lost.records())
        .Add("lost_damaged_records", lost.damaged_records)
        .Add("lost_intact_records", lost.intact_records)
        .Add("lost_unreadable_bytes", lost.unreadable_bytes)
        .Add("durable_lsn", lost.durable.value());
  }
  for (const RepairStep& step : plan.steps) {
    if (text()) {
      out_.Append(absl::StrCat("  ", options_.yes ? "step  " : "would ", step.ToString(), "\n"));
      continue;
    }
    const bool cut = step.kind == RepairStep::Kind::kCut;
    FieldLine(options_.form, "step", &out_)
        .Add("shard", ToIndex(target_.shard))
        .Add("do", cut ? "cut" : "move")
        .Add("file", step.path)
        .Add("offset", step.offset)
        .Add("backup", step.backup);
  }
}

void ShardRepair::PrintVerdict(const RepairPlan& plan, absl::string_view verdict) {
  if (text()) {
    out_.Append(absl::StrCat("shard ", ToIndex(target_.shard), ": ", verdict, ": ", plan.records,
                             " records, ", plan.end.ToString(), "\n"));
    return;
  }
  FieldLine(options_.form, "repair", &out_)
      .Add("shard", ToIndex(target_.shard))
      .Add("verdict", verdict)
      .Add("records", plan.records)
      .Add("end_lsn", plan.end.lsn.value())
      .Add("message", plan.end.ToString());
}

absl::StatusOr<bool> ShardRepair::Run() {
  ASSIGN_OR_RETURN(RepairPlan plan, PlanRepair(files_, io_, target_.path));
  if (!plan.needed()) {
    PrintVerdict(plan, "nothing to repair");
    return true;
  }
  const Lsn end = plan.end.lsn;
  PrintPlan(plan, true);
  if (!options_.yes) {
    PrintVerdict(plan, "nothing was changed; --repair --yes takes these steps");
    return false;
  }
  // The account goes out before anything is changed: nobody can give it afterwards.
  RETURN_IF_ERROR(out_.Send());
  for (int pass = 0; pass < kPassesMax && plan.needed() && !plan.steps.empty(); ++pass) {
    RETURN_IF_ERROR(ApplyRepair(files_, plan));
    ASSIGN_OR_RETURN(plan, PlanRepair(files_, io_, target_.path));
    if (plan.needed()) PrintPlan(plan, false);
  }
  if (plan.needed() || plan.end.lsn > end) {
    return absl::DataLossError(
        absl::StrCat("shard ", ToIndex(target_.shard),
                     " is not repaired, its log now ends so: ", plan.end.ToString()));
  }
  PrintVerdict(plan, "repaired");
  return true;
}

}  // namespace

absl::Status CheckRepairable(FileSystem& files, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const absl::StatusOr<std::vector<DirectoryEntry>> entries = files.List(directory);
    const bool is_log =
        entries.ok() && std::any_of(entries->begin(), entries->end(), [](const DirectoryEntry& e) {
          return e.is_directory && ParseShardDirectoryName(e.name).has_value();
        });
    if (is_log) continue;
    if (absl::IsNotFound(entries.status())) return entries.status();
    return absl::InvalidArgumentError(
        absl::StrCat("--repair wants a log's directory, the one with shard-NNNN directories in it, "
                     "and ",
                     directory, " is not one; --shard chooses one of its shards"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::unique_ptr<DirectoryLock>>> LockForRepair(
    FileSystem& files, const std::vector<std::string>& directories) {
  std::vector<std::unique_ptr<DirectoryLock>> locks;
  for (const std::string& directory : directories) {
    ASSIGN_OR_RETURN(std::unique_ptr<DirectoryLock> lock,
                     files.Lock(absl::StrCat(directory, "/", kLockFileName)));
    locks.push_back(std::move(lock));
  }
  return locks;
}

absl::StatusOr<bool> RepairShard(FileSystem& files, StorageIo& io, const DumpTarget& target,
                                 const RepairRunOptions& options, Output* out) {
  return ShardRepair(files, io, target, options, out).Run();
}

}  // namespace corewal
