#include "wal/log_end.h"

#include "absl/strings/str_cat.h"

namespace corewal {
namespace {

std::string Place(const LogEndReport& report) {
  return absl::StrCat("lsn ", report.lsn.value(), " in ", report.file, ", offset ", report.offset);
}

std::string DamageText(const LogEndReport& report) {
  std::string text = absl::StrCat("damaged: ", report.file, ", offset ", report.offset, ": ");
  if (report.row == std::string("C5")) {
    absl::StrAppend(&text, "the pieces of a record contradict each other");
  } else if (report.rule == FormatRule::kOk && report.row == std::string("C4")) {
    absl::StrAppend(&text, "the file is missing");
  } else if (report.rule == FormatRule::kOk) {
    absl::StrAppend(&text, "a seal stands where the log went on");
  } else {
    absl::StrAppend(&text, FormatRuleText(report.rule));
  }
  absl::StrAppend(&text, "; the log is whole up to lsn ", report.lsn.value());
  if (!report.witness_file.empty()) {
    absl::StrAppend(&text, ", but was durable up to lsn ", report.witness_durable.value(),
                    " according to ", report.witness_file, ", offset ", report.witness_offset);
  }
  return absl::StrCat(text, " (", report.row, ")");
}

}  // namespace

std::string LogEndReport::ToString() const {
  switch (end) {
    case LogEnd::kNotYet:
      return "not at the end yet";
    case LogEnd::kEmpty:
      return "empty: no segment has started";
    case LogEnd::kSealed:
      return absl::StrCat("sealed at ", Place(*this));
    case LogEnd::kTorn:
      return absl::StrCat("torn tail at ", Place(*this), ": ", torn_bytes,
                          " bytes of unfinished batches dropped");
    case LogEnd::kDamaged:
      return DamageText(*this);
    case LogEnd::kLimit:
      return absl::StrCat("stopped at the limit asked for, at ", Place(*this));
    case LogEnd::kFailed:
      return absl::StrCat("reading failed: ", std::string(io_error.message()));
  }
  return "unknown";
}

std::string SkippedRange::ToString() const {
  return absl::StrCat("skipped lsn ", begin.value(), " to ", end.value(), ": ", file, ", offset ",
                      offset, ": ",
                      rule == FormatRule::kOk ? "missing or contradictory" : FormatRuleText(rule),
                      "; goes on in ", resumed_file, ", offset ", resumed_offset, " (", row, ")");
}

absl::Status LogEndReport::ToStatus() const {
  if (end == LogEnd::kDamaged) return absl::DataLossError(ToString());
  if (end == LogEnd::kFailed) return io_error;
  return absl::OkStatus();
}

}  // namespace corewal
