// leveldb: every record is one Put (its first 8 bytes are the key); the memtable has LevelDB's
// largest size, 1 GiB.
// --opt: style=put|batch (async)
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <memory>

#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/record_maker.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

void Ok(const leveldb::Status& status, absl::string_view call) {
  if (!status.ok()) Die("leveldb ", call, ": ", status.ToString());
}
leveldb::Slice Key(absl::string_view record) { return {record.data(), kSequenceChars}; }
leveldb::Slice Value(absl::string_view record) {
  return {record.data() + kSequenceChars, record.size() - kSequenceChars};
}

class LeveldbClient final : public Client {
 public:
  LeveldbClient(leveldb::DB& db, bool batches) : db_(db), batches_(batches) {}

  void Commit(absl::string_view record) override { Put(record, true); }
  void Append(absl::string_view record) override {
    ++pending_;
    if (batches_) {
      batch_.Put(Key(record), Value(record));
    } else {
      Put(record, false);
    }
  }
  void Sync() override {
    if (pending_ == 0) return;
    pending_ = 0;
    leveldb::WriteOptions options;
    options.sync = true;
    Ok(db_.Write(options, &batch_), "Write");  // an empty batch with style=put: it syncs the log
    batch_.Clear();
  }

 private:
  void Put(absl::string_view record, bool sync) {
    leveldb::WriteOptions options;
    options.sync = sync;
    Ok(db_.Put(options, Key(record), Value(record)), "Put");
  }

  leveldb::DB& db_;
  const bool batches_;
  leveldb::WriteBatch batch_;
  size_t pending_ = 0;
};

class Leveldb final : public Peer {
 public:
  explicit Leveldb(const RunConfig& config)
      : config_(config), batches_(config.Option("style", "batch") == "batch") {}

  void Setup() override {
    Open();
    notes_ =
        "Put, key = first 8 bytes; memtable 1 GiB (the largest), log file grows by appending; ";
    notes_ += config_.commit() ? "sync=true"
              : batches_       ? "WriteBatch of 1 MiB, sync=true"
                               : "sync=true on one Put per 1 MiB";
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<LeveldbClient>(*db_, batches_);
  }
  void Teardown() override { db_.reset(); }

  RecoverResult Recover() override {
    const Stopwatch watch;
    Open();
    RecoverResult result = watch.Result();
    ReplayCheck check;
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(leveldb::ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      check.Add(absl::string_view(it->key().data(), it->key().size()),
                it->key().size() + it->value().size());
    }
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    notes_ =
        "DB::Open replays the log into the memtable, reuse_logs; 1 MiB batches; contents checked "
        "after the clock";
    return result;
  }

 private:
  void Open() {
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = size_t{1} << 30;
    options.compression = leveldb::kNoCompression;
    options.reuse_logs = true;
    leveldb::DB* db = nullptr;
    Ok(leveldb::DB::Open(options, config_.directory + "/db", &db), "Open");
    db_.reset(db);
  }

  const RunConfig config_;
  const bool batches_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

std::unique_ptr<Peer> MakeLeveldb(const RunConfig& config) {
  return std::make_unique<Leveldb>(config);
}

}  // namespace corewal::peers
