// wal/segment_set.h: the segment files of one shard's directory, in log order.
//
// A segment file is named by its sequence, sixteen hex digits and ".wal". A file may exist before
// its segment starts (prepared ahead); what makes it part of the log is a valid header that names
// the same sequence. Other names in the directory are left alone.
#ifndef COREWAL_WAL_SEGMENT_SET_H_
#define COREWAL_WAL_SEGMENT_SET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/format.h"

namespace corewal {

// "00000000000000a7.wal" for 0xa7; nullopt for any other shape, and for sequence 0.
std::string SegmentFileName(uint64_t sequence);
std::optional<uint64_t> ParseSegmentFileName(absl::string_view name);

// "DIR/shard-0007"
std::string ShardDirectory(absl::string_view log_directory, ShardId shard);
std::optional<ShardId> ParseShardDirectoryName(absl::string_view name);

struct SegmentFile {
  std::string path;
  uint64_t sequence = 0;  // by its name; by its header if it has another kind of name
  uint64_t size_bytes = 0;
  FormatRule rule = FormatRule::kOk;  // what DecodeSegmentHeader said of its first block
  bool blank = false;                 // that block is all zeros, or the file is empty
  SegmentHeader header;               // meaningful if started()

  // Part of the log: its header is valid and names this sequence. A recycled file still carries
  // the header of its former life and has not started.
  bool started() const { return rule == FormatRule::kOk && header.sequence == sequence; }
};

// Lists `directory` and reads each segment's first block, as many at once as `io` has buffers free;
// ascending by sequence. A file that goes while this runs is left out. `io` must have nothing in
// flight. Errors: those of List and Open, and of a read that fails. That a segment is of another
// log or of a newer version is not an error here (see RecoverLog).
absl::StatusOr<std::vector<SegmentFile>> ListSegments(FileSystem& files, StorageIo& io,
                                                      const std::string& directory);

// The same for one file.
absl::StatusOr<SegmentFile> ReadSegmentFile(FileSystem& files, StorageIo& io,
                                            const std::string& path);

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_SET_H_
