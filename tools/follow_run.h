// tools/follow_run.h: wal-dump --follow: prints records as they become durable, until told to stop.
//
// Knows of the writer only what is in the files, so that it works from another process and on a
// read-only mount: the last records show up when the log bears witness that they are durable, with
// its next batch or, when it is idle, its seal.
#ifndef COREWAL_TOOLS_FOLLOW_RUN_H_
#define COREWAL_TOOLS_FOLLOW_RUN_H_

#include <vector>

#include "absl/status/status.h"
#include "tools/dump_filter.h"
#include "tools/dump_target.h"
#include "tools/output.h"
#include "tools/record_printer.h"

namespace corewal {

struct FollowRunOptions {
  DumpFilter filter;
  bool headers = false;
};

// Follows all `targets` at once, record by record of each in order. OK: interrupted, whoever reads
// the output has gone, or the filter's end was reached. OutOfRange: a log was truncated beyond what
// had been printed. DataLoss: damage. InvalidArgument: a target is no directory.
absl::Status FollowLogs(const std::vector<DumpTarget>& targets, const FollowRunOptions& options,
                        RecordPrinter* printer, Output* out);

}  // namespace corewal

#endif  // COREWAL_TOOLS_FOLLOW_RUN_H_
