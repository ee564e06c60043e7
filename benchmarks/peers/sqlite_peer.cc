// SQLite in WAL mode with synchronous=FULL. One connection, shared under a mutex: SQLite has one
// writer at a time, and its lock wait is a sleep.
// sqlite        one transaction per record
// sqlite-group  waiting clients are grouped into one transaction
// --opt: page_size=N
#include <sqlite3.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "absl/strings/str_format.h"
#include "benchmarks/peers/frame.h"
#include "benchmarks/peers/group_buffer.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

// The one connection. Thread: one at a time.
class Connection {
 public:
  void Open(const std::string& path, int64_t page_size) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    Check(sqlite3_open_v2(path.c_str(), &db_, kFlags, nullptr), "open");
    Execute(absl::StrCat("PRAGMA page_size=", page_size));
    for (const char* pragma :
         {"locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0",
          "journal_size_limit=-1", "cache_size=-262144", "temp_store=MEMORY"}) {
      Execute(absl::StrCat("PRAGMA ", pragma));
    }
  }
  void PrepareInsert() {
    begin_ = Prepare("BEGIN");
    commit_ = Prepare("COMMIT");
    insert_ = Prepare("INSERT INTO records(r) VALUES(?1)");
  }
  void Execute(const std::string& sql) {
    Check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr), sql);
  }
  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr), sql);
    return statement;
  }
  void Begin() { Step(begin_); }
  void Commit() { Step(commit_); }
  void Insert(absl::string_view record) {
    Check(sqlite3_bind_blob(insert_, 1, record.data(), static_cast<int>(record.size()),
                            SQLITE_STATIC),
          "bind");
    Step(insert_);
  }
  void Close() {
    for (sqlite3_stmt* statement : {begin_, commit_, insert_}) sqlite3_finalize(statement);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    Check(sqlite3_close(db_), "close");
  }
  void Check(int result, absl::string_view call) {
    if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW) return;
    Die("sqlite ", call, ": ", db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(result));
  }

 private:
  void Step(sqlite3_stmt* statement) {
    Check(sqlite3_step(statement), "step");
    Check(sqlite3_reset(statement), "reset");
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* begin_ = nullptr;
  sqlite3_stmt* commit_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

// What the clients share.
struct Shared {
  std::mutex mutex;
  Connection connection;
  bool in_transaction = false;
  std::unique_ptr<GroupBuffer> groups;  // sqlite-group
};

class SqliteClient final : public Client {
 public:
  explicit SqliteClient(Shared& shared) : shared_(shared) {}

  void Commit(absl::string_view record) override {
    if (shared_.groups != nullptr) {
      shared_.groups->Append(record, 0, GroupBuffer::Then::kWaitDurable);
      return;
    }
    const std::lock_guard<std::mutex> lock(shared_.mutex);
    shared_.connection.Insert(record);  // a transaction of its own
  }
  void Append(absl::string_view record) override {
    const std::lock_guard<std::mutex> lock(shared_.mutex);
    if (!shared_.in_transaction) shared_.connection.Begin();
    shared_.in_transaction = true;
    shared_.connection.Insert(record);
  }
  void Sync() override {
    const std::lock_guard<std::mutex> lock(shared_.mutex);
    if (shared_.in_transaction) shared_.connection.Commit();
    shared_.in_transaction = false;
  }

 private:
  Shared& shared_;
};

class Sqlite final : public Peer {
 public:
  Sqlite(const RunConfig& config, bool grouped)
      : config_(config),
        grouped_(grouped),
        page_size_(config.IntOption("page_size", config.record_bytes >= 8192  ? 16384
                                                 : config.record_bytes >= 512 ? 8192
                                                                              : 1024)) {}

  void Setup() override {
    Connection& connection = shared_.connection;
    connection.Open(LogPath(), page_size_);
    connection.Execute("CREATE TABLE records(id INTEGER PRIMARY KEY, r BLOB)");
    const bool small_commits = config_.record_bytes < 4096 && config_.commit();
    const size_t prefill_bytes =
        config_.recover() ? 0 : config_.PrefillBytes(700e6) * (small_commits ? 2 : 1);
    if (prefill_bytes > 0) Prefill(prefill_bytes);
    connection.PrepareInsert();
    if (grouped_) {
      shared_.groups = std::make_unique<GroupBuffer>(
          [this](const std::byte* data, size_t bytes) { CommitBatch(data, bytes); });
    }
    absl::StrAppend(&notes_, "WAL, synchronous=FULL, page_size ", page_size_,
                    ", EXCLUSIVE, one connection under a mutex, no checkpoint in the window");
    if (prefill_bytes > 0) {
      absl::StrAppend(&notes_, ", WAL overwritten in place (", prefill_bytes / kMiB, " MiB)");
    }
    notes_ += !config_.commit() ? "; COMMIT every 1 MiB"
              : grouped_        ? "; one transaction per group of waiting clients"
                                : "; one transaction per record";
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<SqliteClient>(shared_);
  }
  void Teardown() override { shared_.connection.Close(); }

  RecoverResult Recover() override {
    const Stopwatch watch;
    Connection connection;
    connection.Open(LogPath(), page_size_);
    sqlite3_stmt* const rows = connection.Prepare("SELECT r FROM records ORDER BY id");
    ReplayCheck check;
    double first_s = 0;
    int got = sqlite3_step(rows);
    for (; got == SQLITE_ROW; got = sqlite3_step(rows)) {
      if (first_s == 0) first_s = watch.Seconds();
      check.Add(absl::string_view(static_cast<const char*>(sqlite3_column_blob(rows, 0)),
                                  static_cast<size_t>(sqlite3_column_bytes(rows, 0))));
    }
    connection.Check(got, "select");
    RecoverResult result = watch.Result();
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    sqlite3_finalize(rows);
    notes_ = absl::StrFormat("WAL recovery at open (%.3f s) + SELECT of all rows through the WAL",
                             first_s);
    return result;
  }

 private:
  std::string LogPath() const { return config_.directory + "/log.db"; }

  // Fills the WAL once and checkpoints, so that the timed part overwrites it in place.
  void Prefill(size_t bytes) {
    Connection& connection = shared_.connection;
    connection.Execute("CREATE TABLE prefill(b BLOB)");
    connection.Execute("BEGIN");
    for (size_t done = 0; done < bytes; done += kMiB) {
      connection.Execute("INSERT INTO prefill VALUES(zeroblob(1048576))");
    }
    connection.Execute("COMMIT");
    connection.Execute("PRAGMA wal_checkpoint(RESTART)");
  }

  void CommitBatch(const std::byte* data, size_t bytes) {
    shared_.connection.Begin();
    for (size_t position = 0; position < bytes;) {
      Frame frame;
      std::memcpy(&frame, data + position, sizeof(frame));
      shared_.connection.Insert(absl::string_view(
          reinterpret_cast<const char*>(data + position + sizeof(frame)), frame.record_bytes));
      position += FramedBytes(frame.record_bytes);
    }
    shared_.connection.Commit();
  }

  const RunConfig config_;
  const bool grouped_;
  const int64_t page_size_;
  Shared shared_;
};

}  // namespace

std::unique_ptr<Peer> MakeSqlite(const RunConfig& config) {
  return std::make_unique<Sqlite>(config, false);
}
std::unique_ptr<Peer> MakeSqliteGroup(const RunConfig& config) {
  return std::make_unique<Sqlite>(config, true);
}

}  // namespace corewal::peers
