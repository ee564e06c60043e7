// examples/rocksdb_log/logged_rocksdb.h: RocksDB with corewal as its log. How to give a database
// that exists already another log.
//
//   Write --> its WriteBatch as a record --> durable --> RocksDB, its own log off --> answered
//   Open  --> the records that no flush of RocksDB holds ----^
//   a flush of RocksDB --> the log gives up what the flush holds
//
// What it promises:
//   1. Write answers OK only when the batch is durable: neither kill -9 nor a power failure loses
//   it.
//   2. After a crash RocksDB holds the batches in the order of the log, each as a whole, exactly
//      once, over all column families. So counters (Merge) stay right too.
//   3. The log does not grow beyond what RocksDB has not flushed, plus a few segments.
//
// What makes it so:
//   - The position. Each batch takes one more key with it into RocksDB: the LSN of its record. So
//     what RocksDB's files hold and how far they got are one thing. Opening replays from there.
//   - atomic_flush. Column families have a memtable each. They are flushed together, or one of them
//     would be behind the position or ahead of it.
//   - One order. A batch is applied when it is durable, never before, in LSN order, as in replay.
//
// Thread: any; Open and destruction alone.
// Failure: once RocksDB refuses a batch that is durable, all later ones are refused with the same
// error, since none may overtake it. Opening again replays it.
#ifndef COREWAL_EXAMPLES_ROCKSDB_LOG_LOGGED_ROCKSDB_H_
#define COREWAL_EXAMPLES_ROCKSDB_LOG_LOGGED_ROCKSDB_H_

#include <rocksdb/db.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

class LoggedRocksDb {
 public:
  struct Options {
    rocksdb::Options rocksdb;                      // of all families; atomic_flush is set for you
    std::vector<std::string> families{"default"};  // all that the database has; made if missing
    uint64_t log_segment_bytes = uint64_t{64} << 20;  // the log grows and shrinks by this much
  };

  // Opens or creates `directory`/rocksdb and `directory`/log, and replays what RocksDB lacks.
  // FailedPrecondition: the two do not belong together. DataLoss: the log lacks what RocksDB needs.
  static absl::StatusOr<std::unique_ptr<LoggedRocksDb>> Open(const std::string& directory,
                                                             const Options& options);
  // Flushes, so that the next Open has nothing to replay.
  ~LoggedRocksDb();
  LoggedRocksDb(const LoggedRocksDb&) = delete;
  LoggedRocksDb& operator=(const LoggedRocksDb&) = delete;

  // OK: durable, and visible to readers. ResourceExhausted: nothing was written; retry. Any other
  // error: not known before the next Open. What it holds of families that were dropped is ignored.
  absl::Status Write(rocksdb::WriteBatch batch);

  // Reading is RocksDB's own. The database itself is not handed out: what went past Write would be
  // missing from the log, and a flush of some families alone would tear them apart.
  rocksdb::ColumnFamilyHandle* family(const std::string& name) const { return families_.at(name); }
  rocksdb::Status Get(rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key,
                      std::string* value) const;
  std::unique_ptr<rocksdb::Iterator> NewIterator(rocksdb::ColumnFamilyHandle* family) const;

  // Flushes all families and truncates the log, as RocksDB's own flushes do.
  absl::Status WriteOut();

  uint64_t replayed_records() const { return replayed_records_; }  // by Open

 private:
  class TruncationListener;
  struct Position {
    std::string log_uuid;
    corewal::Lsn applied;  // the record at it is the last one that was applied; 0: none
  };
  // What a writer is told once its batch is durable: to apply it, and what became durable since,
  // for all others too; or that this was done for it.
  enum class Part : uint8_t { kLead, kDone };
  struct Durable {
    corewal::Lsn lsn;
    rocksdb::WriteBatch* batch;  // the writer's, who waits for the answer
    std::promise<absl::StatusOr<Part>> answer;
  };

  LoggedRocksDb() = default;
  absl::Status OpenRocksDb(const std::string& directory, const Options& options);
  absl::Status Recover();
  absl::Status Begin();
  absl::Status Replay(corewal::Lsn applied);
  void OnDurable(Durable durable);
  absl::Status ApplyGroup();
  absl::Status Apply(rocksdb::WriteBatch* batch, corewal::Lsn lsn);
  absl::Status Truncate();
  // nullopt: none. kPersistedTier: what a crash leaves.
  absl::StatusOr<std::optional<Position>> ReadPosition(rocksdb::ReadTier tier) const;

  std::unique_ptr<corewal::Engine> log_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*> families_;
  rocksdb::ColumnFamilyHandle* position_ = nullptr;
  uint64_t replayed_records_ = 0;
  std::atomic<bool> recovered_ = false;  // before that nothing is truncated

  std::mutex mutex_;              // never held for long: the log's thread takes it
  std::vector<Durable> durable_;  // in LSN order; a leader is the first of it
  bool led_ = false;              // there is a leader
  absl::Status refused_;          // by RocksDB; final
};

#endif  // COREWAL_EXAMPLES_ROCKSDB_LOG_LOGGED_ROCKSDB_H_
