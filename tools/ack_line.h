// tools/ack_line.h: the line by which wal-bench says, outside of the log, what became durable.
//
//   ACK shard=0 seq=12345 lsn=1589248
//
// `seq` counts a shard's records from 1, over the whole life of the log; the line says that record
// `seq`, which stands at `lsn`, and every one before it are durable. The writer sends each line
// whole with its newline, so a line without one was cut off and says nothing.
#ifndef COREWAL_TOOLS_ACK_LINE_H_
#define COREWAL_TOOLS_ACK_LINE_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "wal/lsn.h"

namespace corewal {

struct AckLine {
  ShardId shard{};
  uint64_t seq = 0;  // from 1
  Lsn lsn;           // of record `seq`
  friend bool operator==(const AckLine&, const AckLine&) = default;
};

// Holds any line, newline included.
using AckLineBuffer = std::array<char, 80>;

// The line with its newline, in `buffer`. Allocates nothing.
absl::string_view FormatAckLine(const AckLine& ack, AckLineBuffer* buffer);

// `line` is without its newline. InvalidArgument: any other shape, sequence 0, LSN 0, or a number
// out of range; the message quotes the line.
absl::StatusOr<AckLine> ParseAckLine(absl::string_view line);

}  // namespace corewal

#endif  // COREWAL_TOOLS_ACK_LINE_H_
