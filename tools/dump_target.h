// tools/dump_target.h: what the arguments of wal-dump stand for: shards' directories and segments.
//
//   LOG      a directory with shard-NNNN directories: one target a shard, ascending
//   SHARD    a directory with *.wal files: one target
//   SEGMENT  files; those that follow one another in one shard's log make one target
#ifndef COREWAL_TOOLS_DUMP_TARGET_H_
#define COREWAL_TOOLS_DUMP_TARGET_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/lsn.h"
#include "wal/segment_set.h"

namespace corewal {

struct DumpTarget {
  std::string path;  // the shard's directory, or the first segment
  bool is_directory = false;
  std::vector<SegmentFile> segments;  // ascending; in a directory also those not part of the log
  ShardId shard{};                    // by its segments; if none started, by the directory's name
  absl::Status problem;  // why this one cannot be read, while others may; a line with its path
  // For the case that reading finds no log in it, and no proof of one: what is wrong with that, or
  // if nothing is, what its files are.
  absl::Status if_empty;
  std::string note_if_empty;

  uint64_t started() const;                 // how many of the segments are part of the log
  const SegmentFile* FirstStarted() const;  // null if none is
};

struct DumpTargets {
  std::vector<DumpTarget> targets;
  std::vector<std::string> notes;  // lines worth saying on the side; nothing is wrong
};

// Errors, each a line that names the path: what cannot be opened, is no log and no segment, or
// belongs to another log or a newer version. In a shard of a log they are that target's problem. A
// file without a valid segment header is a target: what follows the header decides.
// `io` must have nothing in flight.
absl::StatusOr<DumpTargets> ResolveTargets(FileSystem& files, StorageIo& io,
                                           const std::vector<std::string>& paths);

// Why a file that has not started is no part of a log. OK: nothing is wrong with that (it is blank,
// prepared ahead, or recycled). Requires: !segment.started().
absl::Status ExplainNotStarted(const SegmentFile& segment);

}  // namespace corewal

#endif  // COREWAL_TOOLS_DUMP_TARGET_H_
