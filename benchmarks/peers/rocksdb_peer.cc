// rocksdb      every record is one WriteBatch: an 8-byte key without a value, and the rest as log
//              data, which goes to the WAL only
// rocksdb-put  every record is one Put (its first 8 bytes are the key)
// The memtable never fills in either.
// --opt: payload=logdata|put  memtable=vector|skiplist  recycle=0|1  pipelined=0|1
//        style=batch|put (async)  via=updates|open (recover)
#include <rocksdb/db.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/options.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/write_batch.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "benchmarks/peers/page_cache.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/record_maker.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

void Ok(const rocksdb::Status& status, absl::string_view call) {
  if (!status.ok()) Die("rocksdb ", call, ": ", status.ToString());
}
rocksdb::Slice Key(absl::string_view record) { return {record.data(), kSequenceChars}; }
rocksdb::Slice Value(absl::string_view record) {
  return {record.data() + kSequenceChars, record.size() - kSequenceChars};
}

// What --opt says, or what suits the peer.
struct Style {
  Style(const RunConfig& config, bool plain)
      : vector(config.Option("memtable", plain ? "skiplist" : "vector") == "vector"),
        pipelined(config.IntOption("pipelined", 0) != 0),
        recycle(!config.recover() && config.IntOption("recycle", plain ? 0 : 1) != 0),
        batches(config.Option("style", "batch") == "batch"),
        log_data(config.Option("payload", plain ? "put" : "logdata") == "logdata"),
        by_open(config.Option("via", plain ? "open" : "updates") == "open"),
        manual_sync(!config.commit() && !batches),
        commit(config.commit()) {}

  bool vector, pipelined, recycle, batches, log_data, by_open, manual_sync, commit;
};

rocksdb::Options MakeOptions(const Style& style) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = size_t{6} << 30;
  options.max_write_buffer_number = 4;
  options.disable_auto_compactions = true;
  options.level0_slowdown_writes_trigger = options.level0_stop_writes_trigger = 1 << 20;
  options.compression = rocksdb::kNoCompression;
  if (style.vector) {
    options.memtable_factory = std::make_shared<rocksdb::VectorRepFactory>();
    options.allow_concurrent_memtable_write = false;
  }
  options.enable_pipelined_write = style.pipelined;
  options.unordered_write = false;
  // The default caps a group at 128 KiB after a small leader.
  options.max_write_batch_group_size_bytes = 64 * kMiB;
  options.manual_wal_flush = style.manual_sync;
  options.recycle_log_file_num = style.recycle ? 4 : 0;
  // 7.8 turns recycling off under the default, point-in-time.
  if (style.recycle) {
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  }
  options.avoid_flush_during_recovery = true;
  options.avoid_flush_during_shutdown = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::ERROR_LEVEL;
  return options;
}

rocksdb::WriteOptions Synced() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

class RocksdbClient final : public Client {
 public:
  RocksdbClient(rocksdb::DB& db, const Style& style)
      : db_(db),
        style_(style),
        batch_(style.batches && !style.commit ? kSyncEveryBytes * 5 / 4 : 0) {}

  void Commit(absl::string_view record) override {
    if (!style_.log_data) {
      Ok(db_.Put(Synced(), Key(record), Value(record)), "Put");
      return;
    }
    batch_.Clear();
    Add(record);
    Ok(db_.Write(Synced(), &batch_), "Write");
  }
  void Append(absl::string_view record) override {
    if (style_.batches) {
      Add(record);
    } else {
      Ok(db_.Put(rocksdb::WriteOptions(), Key(record), Value(record)), "Put");
    }
  }
  void Sync() override {
    if (!style_.batches) {
      Ok(db_.FlushWAL(true), "FlushWAL");
      return;
    }
    if (batch_.Count() == 0) return;
    Ok(db_.Write(Synced(), &batch_), "Write");
    batch_.Clear();
  }

 private:
  void Add(absl::string_view record) {
    if (style_.log_data) {
      Ok(batch_.Put(Key(record), ""), "WriteBatch::Put");
      Ok(batch_.PutLogData(Value(record)), "PutLogData");
    } else {
      Ok(batch_.Put(Key(record), Value(record)), "WriteBatch::Put");
    }
  }

  rocksdb::DB& db_;
  const Style& style_;
  rocksdb::WriteBatch batch_;
};

// Puts the records of WriteBatches together again, keys without a value and log data.
class ReplayHandler final : public rocksdb::WriteBatch::Handler {
 public:
  explicit ReplayHandler(ReplayCheck* check) : check_(check) {}
  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    if (value.empty()) {
      std::memcpy(key_, key.data(), kSequenceChars);
    } else {
      check_->Add(absl::string_view(key.data(), key.size()), key.size() + value.size());
    }
    return rocksdb::Status::OK();
  }
  void LogData(const rocksdb::Slice& value) override {
    check_->Add(absl::string_view(key_, kSequenceChars), kSequenceChars + value.size());
  }

 private:
  ReplayCheck* const check_;
  char key_[kSequenceChars] = {};
};

class Rocksdb final : public Peer {
 public:
  Rocksdb(const RunConfig& config, bool plain) : config_(config), style_(config, plain) {}

  void Setup() override {
    Open();
    const size_t recycled_bytes = style_.recycle ? config_.PrefillBytes() : 0;
    if (recycled_bytes > 0) Recycle(recycled_bytes);
    absl::StrAppend(
        &notes_, style_.log_data ? "8-byte key + PutLogData" : "Put, key = first 8 bytes", "; ",
        style_.vector ? "vector" : "skiplist",
        " memtable 6 GiB, no flush or compaction; pipelined_write=", style_.pipelined ? 1 : 0,
        " unordered=0");
    if (style_.recycle) {
      absl::StrAppend(&notes_, "; recycle_log_file_num=4 (WAL of ", recycled_bytes / kMiB,
                      " MiB overwritten in place), which 7.8 allows under "
                      "wal_recovery=skip-any only");
    } else {
      notes_ += "; no WAL recycling, wal_recovery=point-in-time";
    }
    notes_ += config_.commit() ? "; sync=true"
              : style_.batches ? "; WriteBatch of 1 MiB, sync=true"
                               : "; manual_wal_flush, FlushWAL(sync) every 1 MiB";
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<RocksdbClient>(*db_, style_);
  }
  void Teardown() override { db_.reset(); }

  RecoverResult Recover() override {
    const Stopwatch watch;
    Open();
    RecoverResult result = watch.Result();
    ReplayCheck check;
    if (style_.by_open) {
      ReadMemtable(&check);
    } else {
      result = ReadUpdates(result.seconds, &check);
    }
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    return result;
  }

 private:
  void Open() {
    rocksdb::DB* db = nullptr;
    Ok(rocksdb::DB::Open(MakeOptions(style_), config_.directory + "/db", &db), "Open");
    db_.reset(db);
  }

  // Writes one big log and switches logs twice: the second switch reuses it. A third would close
  // it, and RocksDB cuts a log to its written length then.
  void Recycle(size_t bytes) {
    if (db_->GetDBOptions().recycle_log_file_num == 0) Die("rocksdb turned log recycling off");
    const rocksdb::WriteOptions options;
    const std::string chunk(kMiB - 64, 'x');
    for (size_t done = 0; done < bytes; done += kMiB) {
      rocksdb::WriteBatch batch;
      Ok(batch.PutLogData(chunk), "PutLogData");
      Ok(db_->Write(options, &batch), "Write");
    }
    for (int i = 0; i < 2; ++i) {
      Ok(db_->Put(options, "prefill", "x"), "Put");
      Ok(db_->FlushWAL(true), "FlushWAL");
      Ok(db_->Flush(rocksdb::FlushOptions()), "Flush");
    }
  }

  RecoverResult ReadUpdates(double open_s, ReplayCheck* check) {
    if (config_.cold) DropPageCache(config_.directory);
    ReplayHandler handler(check);
    const Stopwatch watch;
    std::unique_ptr<rocksdb::TransactionLogIterator> it;
    Ok(db_->GetUpdatesSince(0, &it), "GetUpdatesSince");
    for (; it->Valid(); it->Next()) {
      const rocksdb::BatchResult batch = it->GetBatch();
      Ok(batch.writeBatchPtr->Iterate(&handler), "Iterate");
    }
    notes_ = absl::StrFormat(
        "GetUpdatesSince + WriteBatch::Iterate over the WAL; 1 MiB batches; not counted: DB::Open "
        "before it, which reads the WAL too, %.3f s",
        open_s);
    return watch.Result();
  }

  void ReadMemtable(ReplayCheck* check) {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      check->Add(absl::string_view(it->key().data(), it->key().size()),
                 it->key().size() + it->value().size());
    }
    notes_ =
        absl::StrCat("DB::Open replays the WAL into the ", style_.vector ? "vector" : "skiplist",
                     " memtable, avoid_flush_during_recovery; 1 MiB batches; contents checked "
                     "after the clock");
  }

  const RunConfig config_;
  const Style style_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Peer> MakeRocksdb(const RunConfig& config) {
  return std::make_unique<Rocksdb>(config, false);
}
std::unique_ptr<Peer> MakeRocksdbPut(const RunConfig& config) {
  return std::make_unique<Rocksdb>(config, true);
}

}  // namespace corewal::peers
