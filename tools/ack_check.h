// tools/ack_check.h: holds one shard's log against what was acknowledged.
//
//   AckCheck check(shard, acks.Of(shard));
//   while (reader->Next(&record) && check.Take(record)) {}
//   check.Finish(...);  check.violation() is empty if all is well
//
// Record number `seq` of the log, counted from 1, must be the made record `seq`: so nothing is
// missing before the last one found, nothing is there twice or in another order, and nothing was
// invented. Each acknowledged lsn must be that record's. Records beyond the highest acknowledged
// one may be there (written, not yet acknowledged) but must be right too.
#ifndef COREWAL_TOOLS_ACK_CHECK_H_
#define COREWAL_TOOLS_ACK_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "tools/ack_table.h"
#include "wal/log_reader.h"
#include "wal/lsn.h"

namespace corewal {

class AckCheck {
 public:
  // `acks` must outlive the check.
  AckCheck(ShardId shard, absl::Span<const AckTable::Ack> acks) : shard_(shard), acks_(acks) {}

  // False: the record breaks a rule; violation() says how, and nothing more may be taken.
  // Records that corewal made for itself are not counted.
  bool Take(const RecordView& record);
  // The log has no more records; `where_it_ends` is for the message.
  void Finish(const std::string& where_it_ends);

  // One line that names shard, seq and lsn; empty: none.
  const std::string& violation() const { return violation_; }
  uint64_t acknowledged() const { return acks_.empty() ? 0 : acks_.back().seq; }
  uint64_t found() const { return found_; }

 private:
  void DescribeWrongContent(const RecordView& record);

  const ShardId shard_;
  const absl::Span<const AckTable::Ack> acks_;
  size_t next_ack_ = 0;  // of acks_: those before it were found in the log
  uint64_t found_ = 0;   // right records so far: also the seq of the last one
  std::string violation_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_ACK_CHECK_H_
