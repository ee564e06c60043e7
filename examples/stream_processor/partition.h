// examples/stream_processor/partition.h: one partition of the stream: its log, who consumes it, and
// the output that this makes.
//
//   line n of the input, "KEY AMOUNT" --> a record "n KEY AMOUNT" in the log --> durable
//     --> total[KEY] += AMOUNT --> a line "LSN n KEY TOTAL" in the output
//   now and then: the output is synced --> the cursor is moved behind it --> the log is truncated
//
// Exactly once, whenever the process is killed and whenever the power goes:
//   1. In. A shard has its lines in the input's order, so the last one that it has says where to go
//      on: none is missing, none is there twice.
//   2. Out. The cursor moves only when the output up to it is synced. So after a crash the output
//      has all that is below the cursor. What it has beyond may be torn or missing: it is cut off,
//      and made again from the log, in which the cursor keeps what that needs.
//   3. State. The totals are those in the output: there is no third place that could disagree.
//
// What stands in the output beyond the cursor may vanish for a moment, and comes back as it was,
// since the same records make the same lines. Readers who must not see that stop at the cursor.
//
// Thread: Consume on one of its own; the rest on the one that made it.
#ifndef COREWAL_EXAMPLES_STREAM_PROCESSOR_PARTITION_H_
#define COREWAL_EXAMPLES_STREAM_PROCESSOR_PARTITION_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "io_backend/file_system.h"

class Partition {
 public:
  // Cuts the output at `path` back to the cursor. DataLoss: the output lacks what it must have, or
  // the log holds what is no record of ours. `engine` must outlive this.
  static absl::StatusOr<std::unique_ptr<Partition>> Open(corewal::Engine& engine,
                                                         corewal::ShardId shard,
                                                         const std::string& path);

  // The last line of the input that this partition's log has, counted from 1; 0: none.
  uint64_t last_line() const { return last_line_; }

  // Follows the log until the place that StopAt names.
  absl::Status Consume();
  void StopAt(corewal::Lsn end) { end_.store(end.value()); }

 private:
  static constexpr char kCursor[] = "totals";
  static constexpr uint32_t kRecordsPerCommit = 512;  // fewer are done again after a crash

  Partition(corewal::Engine& engine, corewal::ShardId shard) : engine_(engine), shard_(shard) {}
  absl::Status ReadOutput(const std::string& path);
  absl::Status ReadLog();
  absl::Status Process(const corewal::RecordView& record);
  absl::Status Commit();

  corewal::Engine& engine_;
  const corewal::ShardId shard_;
  corewal::Lsn cursor_;     // when this was opened
  uint64_t last_line_ = 0;  // likewise, in the log
  std::atomic<uint64_t> end_ = UINT64_MAX;

  std::map<std::string, uint64_t> totals_;
  corewal::Lsn next_;         // behind the last record processed
  uint64_t done_line_ = 0;    // its line of the input
  uint32_t uncommitted_ = 0;  // records since Commit
  std::string lines_;         // what they make
  corewal::OpenFile output_;
  uint64_t output_bytes_ = 0;  // up to the last Commit
};

#endif  // COREWAL_EXAMPLES_STREAM_PROCESSOR_PARTITION_H_
