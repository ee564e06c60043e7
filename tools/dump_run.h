// tools/dump_run.h: wal-dump without its flags: reads the logs and prints what was asked for.
//
// Never writes to a log, never takes its lock, except to repair it.
#ifndef COREWAL_TOOLS_DUMP_RUN_H_
#define COREWAL_TOOLS_DUMP_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/dump_filter.h"
#include "tools/record_printer.h"

namespace corewal {

struct DumpOptions {
  enum class What : uint8_t {
    kRecords,
    kSummary,
    kVerify,
    kCheckAcks,
    kRepair
  } what = What::kRecords;
  DumpFormat format = DumpFormat::kText;
  bool headers = false;
  DumpFilter filter;
  std::string acks_file;           // kCheckAcks; "-" is standard input
  bool yes = false;                // kRepair: do it
  bool follow = false;             // kRecords: go on as the log grows, until interrupted
  std::vector<std::string> paths;  // at least one

  // InvalidArgument: a combination that means nothing; names both flags.
  absl::Status Validate() const;
};

// What the process exits with.
enum class DumpExit : int {
  kClean = 0,        // also: a torn tail of bytes that nobody was promised
  kEnvironment = 1,  // usage, or something that cannot be read
  kDamaged = 3,      // acknowledged data is damaged or missing
};

// Results go to standard output, everything else to standard error. Requires: SIGPIPE is ignored.
DumpExit RunDump(const DumpOptions& options);

}  // namespace corewal

#endif  // COREWAL_TOOLS_DUMP_RUN_H_
