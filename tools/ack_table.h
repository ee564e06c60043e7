// tools/ack_table.h: all ACK lines of a file, by shard.
//
// Memory: 16 bytes a line, which is less than the file.
#ifndef COREWAL_TOOLS_ACK_TABLE_H_
#define COREWAL_TOOLS_ACK_TABLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "wal/lsn.h"

namespace corewal {

class AckTable {
 public:
  struct Ack {
    uint64_t seq = 0;
    Lsn lsn;
  };

  // Reads the file to its end; "-" is standard input. A last line without its newline was cut off
  // and does not count. Errors: those of open and read; InvalidArgument naming file and line number
  // for a whole line that is not an ACK line.
  static absl::StatusOr<AckTable> Read(const std::string& file);

  // The shard's acks, ascending by seq; empty if it has none.
  absl::Span<const Ack> Of(ShardId shard) const;
  std::vector<ShardId> shards() const;  // those with acks, ascending
  bool last_line_cut() const { return last_line_cut_; }

 private:
  absl::Status ReadFrom(int fd, const std::string& name);
  void SortBySequence();

  std::map<ShardId, std::vector<Ack>> acks_;
  bool last_line_cut_ = false;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_ACK_TABLE_H_
