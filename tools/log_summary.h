// tools/log_summary.h: what reading one shard's log found, as a summary or as a one-line verdict.
#ifndef COREWAL_TOOLS_LOG_SUMMARY_H_
#define COREWAL_TOOLS_LOG_SUMMARY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/dump_target.h"
#include "tools/field_line.h"
#include "tools/output.h"
#include "wal/log_reader.h"

namespace corewal {

struct LogSummary {
  const DumpTarget& target;
  LogReader::Totals totals;
  LogEndReport end;
};

// "sealed", "torn", "empty", "damaged", "limit" or "failed"; what the JSON forms say.
absl::string_view LogEndName(LogEnd end);

// "shard 0: torn tail at lsn 8192 ...": how the log ends, for people; without newline.
std::string EndLine(ShardId shard, const LogEndReport& end);

// Several lines as text, one object as JSON.
void PrintSummary(const LogSummary& summary, FieldLine::Form form, Output* out);
// One line: good or not, how much was read, and the end.
void PrintVerdict(const LogSummary& summary, FieldLine::Form form, Output* out);

}  // namespace corewal

#endif  // COREWAL_TOOLS_LOG_SUMMARY_H_
