// tools/shard_feed.h: the records of one shard, handed to its clients in the order of their seq.
//
// Record and sequence belong together, so of several clients of a shard one at a time takes the
// next record and appends it. A client that has the shard for itself takes no lock.
// Thread: any; see Access.
#ifndef COREWAL_TOOLS_SHARD_FEED_H_
#define COREWAL_TOOLS_SHARD_FEED_H_

#include <memory>
#include <mutex>
#include <utility>

#include "tools/record_source.h"
#include "wal/lsn.h"

namespace corewal {

class ShardFeed {
 public:
  ShardFeed(ShardId shard, std::unique_ptr<RecordSource> source, bool shared)
      : shard_(shard), source_(std::move(source)), shared_(shared) {}

  // Hold what it returns while using source() for one record.
  std::unique_lock<std::mutex> Access() {
    return shared_ ? std::unique_lock(mutex_) : std::unique_lock<std::mutex>();
  }
  RecordSource& source() { return *source_; }
  ShardId shard() const { return shard_; }

 private:
  const ShardId shard_;
  const std::unique_ptr<RecordSource> source_;
  const bool shared_;
  std::mutex mutex_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_SHARD_FEED_H_
