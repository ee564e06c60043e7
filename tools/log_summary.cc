#include "tools/log_summary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wal/format.h"

namespace corewal {
namespace {

std::string Range(uint64_t first, uint64_t last) {
  return first == last ? absl::StrCat(first) : absl::StrCat(first, " .. ", last);
}

// Damaged or failed: what a script has to act upon.
bool IsBad(LogEnd end) { return end == LogEnd::kDamaged || end == LogEnd::kFailed; }

void AddEnd(const LogEndReport& end, FieldLine* line) {
  line->Add("end", LogEndName(end.end)).Add("row", end.row).Add("end_lsn", end.lsn.value());
  line->Add("end_file", end.file).Add("end_offset", end.offset);
  line->Add("rule", end.rule == FormatRule::kOk ? "" : FormatRuleText(end.rule));
  line->Add("message", end.ToString());
}

void PrintSummaryJson(const LogSummary& summary, Output* out) {
  const DumpTarget& target = summary.target;
  const LogReader::Totals& totals = summary.totals;
  const SegmentFile* const first = target.FirstStarted();
  FieldLine line(FieldLine::Form::kJson, "summary", out);
  line.Add("shard", ToIndex(target.shard))
      .Add("path", target.path)
      .Add("uuid", first == nullptr ? "" : first->header.uuid.ToString())
      .Add("segments", totals.segments)
      .Add("segments_not_in_log", target.segments.size() - target.started())
      .Add("batches", totals.batches)
      .Add("seals", totals.seals)
      .Add("records", totals.records)
      .Add("payload_bytes", totals.payload_bytes)
      .Add("padding_bytes", totals.padding_bytes)
      .Add("file_bytes", totals.file_bytes)
      .Add("first_lsn", totals.first_lsn.value())
      .Add("last_lsn", totals.last_lsn.value())
      .Add("first_epoch", totals.first_epoch.value())
      .Add("last_epoch", totals.last_epoch.value());
  AddEnd(summary.end, &line);
}

}  // namespace

absl::string_view LogEndName(LogEnd end) {
  switch (end) {
    case LogEnd::kNotYet:
      return "open";
    case LogEnd::kEmpty:
      return "empty";
    case LogEnd::kSealed:
      return "sealed";
    case LogEnd::kTorn:
      return "torn";
    case LogEnd::kDamaged:
      return "damaged";
    case LogEnd::kLimit:
      return "limit";
    case LogEnd::kFailed:
      return "failed";
  }
  return "";
}

std::string EndLine(ShardId shard, const LogEndReport& end) {
  return absl::StrCat("shard ", ToIndex(shard), ": ", end.ToString());
}

void PrintSummary(const LogSummary& summary, FieldLine::Form form, Output* out) {
  if (form == FieldLine::Form::kJson) {
    PrintSummaryJson(summary, out);
    return;
  }
  const DumpTarget& target = summary.target;
  const LogReader::Totals& totals = summary.totals;
  const auto print = [out](absl::string_view name, absl::string_view value) {
    out->Append(absl::StrFormat("  %-14s %s\n", name, value));
  };
  out->Append(absl::StrCat("shard ", ToIndex(target.shard), ": ", target.path, "\n"));
  if (const SegmentFile* first = target.FirstStarted(); first != nullptr) {
    print("log", first->header.uuid.ToString());
  }
  const size_t others = target.segments.size() - target.started();
  print("segments", absl::StrCat(totals.segments, others == 0 ? "" : " and ",
                                 others == 0 ? "" : absl::StrCat(others, " not in the log")));
  print("records", absl::StrCat(totals.records));
  if (totals.records > 0) {
    print("lsn", Range(totals.first_lsn.value(), totals.last_lsn.value()));
    print("epochs", Range(totals.first_epoch.value(), totals.last_epoch.value()));
  }
  print("payload", absl::StrCat(totals.payload_bytes, " bytes"));
  print("padding", absl::StrCat(totals.padding_bytes, " bytes"));
  print("batches", absl::StrCat(totals.batches, ", ", totals.seals, " of them seals"));
  print("tail", summary.end.ToString());
}

void PrintVerdict(const LogSummary& summary, FieldLine::Form form, Output* out) {
  const LogReader::Totals& totals = summary.totals;
  if (form == FieldLine::Form::kJson) {
    FieldLine line(form, "verify", out);
    line.Add("shard", ToIndex(summary.target.shard)).Add("path", summary.target.path);
    line.Add("records", totals.records).Add("payload_bytes", totals.payload_bytes);
    line.Add("segments", totals.segments).Add("file_bytes", totals.file_bytes);
    AddEnd(summary.end, &line);
    return;
  }
  out->Append(absl::StrCat("shard ", ToIndex(summary.target.shard), ": ",
                           IsBad(summary.end.end) ? "BAD: " : "ok: ", totals.records, " records, ",
                           totals.payload_bytes, " payload bytes in ", totals.segments,
                           totals.segments == 1 ? " segment; " : " segments; ",
                           summary.end.ToString(), "\n"));
}

}  // namespace corewal
