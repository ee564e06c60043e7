// examples/kv_store/kv_store.h: a key-value store that survives kill -9. How to embed corewal.
//
//   Put, Delete --> a record in the log of the key's shard --> durable --> the table --> answered
//   Open        --> the table's last image, then the records behind it --> the table
//   Checkpoint  --> an image of the table, in the checkpoint's note --> durable --> the log before
//                   it is given up. (A table beyond 1 GiB goes to a file, and its name in the
//                   note.)
//
// Five rules make it safe, and they hold for every state machine on a log:
//   1. A change is one record. After a crash a record is there as a whole or not at all.
//   2. The log decides. The table takes a change only once its record is durable, so nobody reads
//      what a crash could take back.
//   3. One order. Callbacks run in LSN order, the order of replay, so the table during a run and
//      the table after a restart are made by the same steps.
//   4. What must stay in order shares a shard. All changes of a key are in one log, so the number
//      of shards and the hash belong to the data, and neither can change once it is written.
//   5. Truncate last. The log gives records up only when a checkpoint with an image that holds them
//   is
//      durable. A crash between the steps leaves more of the log than is needed, never less.
//
// Thread: any.
#ifndef COREWAL_EXAMPLES_KV_STORE_KV_STORE_H_
#define COREWAL_EXAMPLES_KV_STORE_KV_STORE_H_

#include <algorithm>
#include <array>
#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "examples/common/partition.h"

class KvStore {
 public:
  // Creates the store, or recovers what an earlier process left, however it ended.
  static absl::StatusOr<std::unique_ptr<KvStore>> Open(const std::string& directory) {
    auto store = std::make_unique<KvStore>();
    corewal::EngineOptions options;
    options.directory = directory;
    options.shards = kShards;
    options.shard.segment_bytes = 1 << 20;  // the log grows in steps of this size
    absl::StatusOr<std::unique_ptr<corewal::Engine>> engine = corewal::Engine::Open(options);
    if (!engine.ok()) return engine.status();
    store->engine_ = *std::move(engine);
    for (uint32_t i = 0; i < kShards; ++i) {
      if (absl::Status recovered = store->Recover(i); !recovered.ok()) return recovered;
    }
    return store;
  }

  // The future's OK: durable. An error: not done, or (the disk failed) not known before the next
  // Open. Start several and then wait, and they share one sync of the disk.
  std::future<absl::Status> Put(const std::string& key, const std::string& value) {
    return Change(key, kPut, PutRecord(key, value));
  }
  std::future<absl::Status> Delete(const std::string& key) { return Change(key, kDelete, key); }

  std::optional<std::string> Get(const std::string& key) {
    Table& table = tables_[ShardOf(key)];
    const std::lock_guard lock(table.mutex);
    const auto at = table.values.find(key);
    return at == table.values.end() ? std::nullopt : std::optional(at->second);
  }

  std::map<std::string, std::string> List() {
    std::map<std::string, std::string> all;
    for (Table& table : tables_) {
      const std::lock_guard lock(table.mutex);
      all.insert(table.values.begin(), table.values.end());
    }
    return all;
  }

  // Makes the next Open quick, and the log short. Changes may go on. One call at a time.
  absl::Status Checkpoint() {
    for (uint32_t i = 0; i < kShards; ++i) {
      if (absl::Status done = Checkpoint(i); !done.ok()) return done;
    }
    return absl::OkStatus();
  }

 private:
  // A record carries a type of the user's choice, 0 to 127, for nothing.
  static constexpr auto kPut = corewal::RecordType{1};     // key length ':' key value
  static constexpr auto kDelete = corewal::RecordType{2};  // key
  static constexpr uint32_t kShards = 4;                   // rule 4

  struct Table {
    std::mutex mutex;
    std::map<std::string, std::string> values;
    corewal::Lsn next;        // values are what all records below it make
    corewal::Lsn checkpoint;  // the last one's `next`
  };

  static uint32_t ShardOf(const std::string& key) { return examples::PartitionOf(key, kShards); }

  static std::string PutRecord(const std::string& key, const std::string& value) {
    return std::to_string(key.size()) + ':' + key + value;
  }

  std::future<absl::Status> Change(const std::string& key, corewal::RecordType type,
                                   const std::string& record) {
    const uint32_t shard = ShardOf(key);
    const absl::Span bytes(reinterpret_cast<const std::byte*>(record.data()), record.size());
    auto answer = std::make_shared<std::promise<absl::Status>>();
    std::future<absl::Status> future = answer->get_future();
    const absl::Status accepted = engine_->Append(
        corewal::ShardId{shard}, bytes, {.type = type},  // the callback: on the shard's thread
        [table = &tables_[shard], type, record, answer](const absl::StatusOr<corewal::Lsn>& lsn) {
          answer->set_value(lsn.ok() ? Apply(*table, *lsn, type, record) : lsn.status());
        });
    if (!accepted.ok()) answer->set_value(accepted);  // then the callback never runs
    return future;
  }

  // The only way a table ever changes (rule 3).
  static absl::Status Apply(Table& table, corewal::Lsn lsn, corewal::RecordType type,
                            const std::string& record) {
    const std::lock_guard lock(table.mutex);
    table.next = lsn + 1;
    if (type == kDelete) {
      table.values.erase(record);
    } else if (const size_t key = record.find(':') + 1; type == kPut && key > 0) {
      const size_t value = std::min(record.size(), key + std::strtoul(record.c_str(), nullptr, 10));
      table.values[record.substr(key, value - key)] = record.substr(value);
    } else {
      return absl::DataLossError("a record that is not a KvStore's");
    }
    return absl::OkStatus();
  }

  absl::Status Recover(uint32_t shard) {
    Table& table = tables_[shard];
    const auto checkpoint = engine_->recovered_checkpoint(corewal::ShardId{shard});
    if (checkpoint.ok()) {
      absl::Status read = ReadImage(table, checkpoint->lsn, checkpoint->note);
      if (!read.ok()) return read;
    } else if (!absl::IsNotFound(checkpoint.status())) {
      return checkpoint.status();
    }
    const auto replay = engine_->Replay(corewal::ShardId{shard}, table.next);
    if (!replay.ok()) return replay.status();
    corewal::RecordView record;
    while ((*replay)->Next(&record)) {
      const auto* bytes = reinterpret_cast<const char*>(record.payload.data());
      absl::Status done =
          Apply(table, record.lsn, record.type, std::string(bytes, record.payload.size()));
      if (!done.ok()) return done;
    }
    return (*replay)->status();  // not every end of a log is a good one: never leave this out
  }

  // An image is the records that would make the table, each behind its length and a space.
  absl::Status Checkpoint(uint32_t shard) {
    Table& table = tables_[shard];
    std::string image;
    corewal::Lsn next;
    {
      const std::lock_guard lock(table.mutex);
      next = table.next;
      for (const auto& [key, value] : table.values) {
        const std::string record = PutRecord(key, value);
        image += std::to_string(record.size()) + ' ' + record;
      }
    }
    if (next == table.checkpoint) return absl::OkStatus();  // nothing is new
    absl::Status done = engine_->Checkpoint(                // durable, as a whole
        corewal::ShardId{shard}, next,
        absl::Span(reinterpret_cast<const std::byte*>(image.data()), image.size()));
    if (!done.ok()) return done;
    table.checkpoint = next;
    return engine_->TruncateBefore(corewal::ShardId{shard}, next);
  }

  static absl::Status ReadImage(Table& table, corewal::Lsn next, const std::string& image) {
    for (size_t at = 0; at < image.size();) {
      const size_t record = image.find(' ', at) + 1;
      const size_t size = std::strtoul(image.c_str() + at, nullptr, 10);
      if (record == 0 || size > image.size() - record) {
        return absl::DataLossError("an image that is not a KvStore's");
      }
      absl::Status done = Apply(table, next, kPut, image.substr(record, size));
      if (!done.ok()) return done;
      at = record + size;
    }
    table.next = table.checkpoint = next;
    return absl::OkStatus();
  }

  std::array<Table, kShards> tables_;
  std::unique_ptr<corewal::Engine> engine_;  // last, so first to go: its callbacks use the tables
};

#endif  // COREWAL_EXAMPLES_KV_STORE_KV_STORE_H_
