// tools/ack_log.h: tells the world outside, line by line, how far each shard is durable.
//
//   Note      durable up to here, from any thread, cheap
//   Print     writes an AckLine for each shard that moved on since its last line
//
// Each line is one write(2) and names the highest record noted, so a shard's lines only grow.
// The first error ends the printing and stays in status().
#ifndef COREWAL_TOOLS_ACK_LOG_H_
#define COREWAL_TOOLS_ACK_LOG_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/ack_line.h"
#include "wal/lsn.h"

namespace corewal {

class AckLog {
 public:
  // "-" is standard output. A file is created, or appended to: lines of earlier runs stay.
  static absl::StatusOr<std::unique_ptr<AckLog>> Open(const std::string& path, uint32_t shards);
  ~AckLog();

  void Note(ShardId shard, uint64_t seq, Lsn lsn);
  void Print();
  absl::Status status() const;

 private:
  struct Shard {
    AckLine noted;
    uint64_t printed_seq = 0;
  };
  AckLog(int fd, std::string path, uint32_t shards);

  const int fd_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::vector<Shard> shards_;
  absl::Status status_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_ACK_LOG_H_
