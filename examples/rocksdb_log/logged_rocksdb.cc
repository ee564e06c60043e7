#include "examples/rocksdb_log/logged_rocksdb.h"

#include <rocksdb/convenience.h>
#include <rocksdb/listener.h>

#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace {

constexpr corewal::ShardId kShard{0};            // one database, one order, one shard
constexpr auto kBatch = corewal::RecordType{1};  // what WriteBatch::Data() gives
constexpr char kPositionFamily[] = "corewal";    // holds one key,
constexpr char kPositionKey[] = "position";      // whose value is "UUID LSN"

absl::Status ToStatus(const rocksdb::Status& status, const char* what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat("RocksDB: ", what, ": ", status.ToString());
  return status.IsCorruption() ? absl::DataLossError(text) : absl::UnavailableError(text);
}

rocksdb::WriteOptions WithoutItsOwnLog() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  // A batch in the log may be older than the dropping of a family.
  options.ignore_missing_column_families = true;
  return options;
}

std::string PositionText(const corewal::Engine& log, corewal::Lsn applied) {
  return absl::StrCat(log.uuid().ToString(), " ", applied.value());
}

}  // namespace

// Runs on RocksDB's threads, once a flush is in its manifest.
class LoggedRocksDb::TruncationListener : public rocksdb::EventListener {
 public:
  explicit TruncationListener(LoggedRocksDb* owner) : owner_(owner) {}
  void OnFlushCompleted(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& /*info*/) override {
    // An error leaves the log longer than it has to be, until the next flush.
    owner_->Truncate().IgnoreError();
  }

 private:
  LoggedRocksDb* const owner_;
};

absl::StatusOr<std::unique_ptr<LoggedRocksDb>> LoggedRocksDb::Open(const std::string& directory,
                                                                   const Options& options) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);  // if not, the next line says why
  auto db = std::unique_ptr<LoggedRocksDb>(new LoggedRocksDb);
  corewal::EngineOptions log_options;
  log_options.directory = directory + "/log";
  log_options.shard.segment_bytes = options.log_segment_bytes;
  ASSIGN_OR_RETURN(db->log_, corewal::Engine::Open(log_options));
  RETURN_IF_ERROR(db->OpenRocksDb(directory + "/rocksdb", options));
  RETURN_IF_ERROR(db->Recover());
  db->recovered_ = true;
  return db;
}

LoggedRocksDb::~LoggedRocksDb() {
  if (db_ == nullptr) return;
  WriteOut().IgnoreError();  // an error costs the next Open a replay
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/true);  // no listener is running any more
  for (const auto& [name, family] : families_) db_->DestroyColumnFamilyHandle(family);
}

absl::Status LoggedRocksDb::OpenRocksDb(const std::string& directory, const Options& options) {
  rocksdb::Options set = options.rocksdb;
  set.create_if_missing = true;
  set.create_missing_column_families = true;
  set.atomic_flush = true;
  set.listeners.push_back(std::make_shared<TruncationListener>(this));

  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : options.families) descriptors.emplace_back(name, set);
  descriptors.emplace_back(kPositionFamily, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RETURN_IF_ERROR(ToStatus(rocksdb::DB::Open(set, directory, descriptors, &handles, &db), "open"));
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles) families_[handle->GetName()] = handle;
  position_ = families_.at(kPositionFamily);
  return absl::OkStatus();
}

absl::Status LoggedRocksDb::Write(rocksdb::WriteBatch batch) {
  {
    const std::lock_guard lock(mutex_);
    RETURN_IF_ERROR(refused_);
  }
  std::promise<absl::StatusOr<Part>> promise;
  std::future<absl::StatusOr<Part>> answer = promise.get_future();
  const absl::Span record(reinterpret_cast<const std::byte*>(batch.Data().data()),
                          batch.Data().size());
  // The callback runs on the log's thread, in LSN order.
  RETURN_IF_ERROR(log_->Append(
      kShard, record, {.type = kBatch},
      [this, &batch, promise = std::move(promise)](absl::StatusOr<corewal::Lsn> lsn) mutable {
        if (lsn.ok()) {
          OnDurable({.lsn = *lsn, .batch = &batch, .answer = std::move(promise)});
        } else {
          promise.set_value(lsn.status());
        }
      }));
  ASSIGN_OR_RETURN(const Part part, answer.get());
  return part == Part::kLead ? ApplyGroup() : absl::OkStatus();
}

// Not applied here: RocksDB may make a writer wait for a flush, and the log must not wait with it.
void LoggedRocksDb::OnDurable(Durable durable) {
  const std::lock_guard lock(mutex_);
  durable_.push_back(std::move(durable));
  if (!std::exchange(led_, true)) durable_.front().answer.set_value(Part::kLead);
}

// The leader's own batch is the first of the group.
absl::Status LoggedRocksDb::ApplyGroup() {
  std::vector<Durable> group;
  absl::Status refused, own;
  {
    const std::lock_guard lock(mutex_);
    group.swap(durable_);
    refused = refused_;
  }
  for (size_t i = 0; i < group.size(); ++i) {
    if (refused.ok()) refused = Apply(group[i].batch, group[i].lsn);
    if (i == 0) {
      own = refused;
    } else if (refused.ok()) {
      group[i].answer.set_value(Part::kDone);
    } else {
      group[i].answer.set_value(refused);
    }
  }
  const std::lock_guard lock(mutex_);
  refused_ = refused;
  led_ = !durable_.empty();
  if (led_) durable_.front().answer.set_value(Part::kLead);
  return own;
}

// The only way anything gets into RocksDB.
absl::Status LoggedRocksDb::Apply(rocksdb::WriteBatch* batch, corewal::Lsn lsn) {
  RETURN_IF_ERROR(
      ToStatus(batch->Put(position_, kPositionKey, PositionText(*log_, lsn)), "position"));
  return ToStatus(db_->Write(WithoutItsOwnLog(), batch), "write");
}

absl::Status LoggedRocksDb::Recover() {
  ASSIGN_OR_RETURN(const std::optional<Position> position, ReadPosition(rocksdb::kReadAllTier));
  if (!position.has_value()) return Begin();
  if (position->log_uuid != log_->uuid().ToString()) {
    return absl::FailedPreconditionError(absl::StrCat("the database belongs to log ",
                                                      position->log_uuid, ", and this is log ",
                                                      log_->uuid().ToString()));
  }
  return Replay(position->applied);
}

// A database has a position before the log has a record. So a log with records and no position is
// one whose database is missing: part of the log may be truncated.
absl::Status LoggedRocksDb::Begin() {
  ASSIGN_OR_RETURN(const auto replay, log_->Replay(kShard));
  corewal::RecordView record;
  if (replay->Next(&record)) {
    return absl::FailedPreconditionError("the log has records, and its database is missing");
  }
  RETURN_IF_ERROR(replay->status());
  rocksdb::WriteBatch batch;
  RETURN_IF_ERROR(Apply(&batch, corewal::Lsn{}));
  return WriteOut();
}

absl::Status LoggedRocksDb::Replay(corewal::Lsn applied) {
  ASSIGN_OR_RETURN(const auto replay, log_->Replay(kShard, applied));
  corewal::RecordView record;
  // Truncation leaves the record at the position, which shows that nothing behind it is missing.
  if (applied != corewal::Lsn{} && (!replay->Next(&record) || record.lsn != applied)) {
    RETURN_IF_ERROR(replay->status());
    return absl::DataLossError(
        absl::StrCat("RocksDB stands at LSN ", applied.value(), ", which the log does not have"));
  }
  while (replay->Next(&record)) {
    if (record.type != kBatch) return absl::DataLossError("a record that is not a WriteBatch");
    rocksdb::WriteBatch batch(
        std::string(reinterpret_cast<const char*>(record.payload.data()), record.payload.size()));
    RETURN_IF_ERROR(Apply(&batch, record.lsn));
    ++replayed_records_;
  }
  return replay->status();
}

absl::StatusOr<std::optional<LoggedRocksDb::Position>> LoggedRocksDb::ReadPosition(
    rocksdb::ReadTier tier) const {
  rocksdb::ReadOptions options;
  options.read_tier = tier;
  std::string text;
  const rocksdb::Status status = db_->Get(options, position_, kPositionKey, &text);
  if (status.IsNotFound()) return std::nullopt;
  RETURN_IF_ERROR(ToStatus(status, "position"));
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  uint64_t lsn = 0;
  if (words.size() != 2 || !absl::SimpleAtoi(words[1], &lsn)) {
    return absl::DataLossError(absl::StrCat("a position that is none: '", text, "'"));
  }
  return Position{.log_uuid = words[0], .applied = corewal::Lsn(lsn)};
}

// Keeps the record at the position itself: see Replay. A log that could not be recovered, or that
// is being read for that, is left as it is.
absl::Status LoggedRocksDb::Truncate() {
  if (!recovered_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<Position> on_disk, ReadPosition(rocksdb::kPersistedTier));
  if (!on_disk.has_value()) return absl::OkStatus();
  return log_->TruncateBefore(kShard, on_disk->applied);
}

absl::Status LoggedRocksDb::WriteOut() {
  std::vector<rocksdb::ColumnFamilyHandle*> all;
  for (const auto& [name, family] : families_) all.push_back(family);
  RETURN_IF_ERROR(ToStatus(db_->Flush(rocksdb::FlushOptions(), all), "flush"));
  return Truncate();
}

rocksdb::Status LoggedRocksDb::Get(rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key,
                                   std::string* value) const {
  return db_->Get(rocksdb::ReadOptions(), family, key, value);
}

std::unique_ptr<rocksdb::Iterator> LoggedRocksDb::NewIterator(
    rocksdb::ColumnFamilyHandle* family) const {
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(rocksdb::ReadOptions(), family));
}
