// postgres: PostgreSQL's WAL through pg_logical_emit_message(true, '', record): a transaction per
// message, whose commit waits for the WAL. The server is private to the run; each client is a libpq
// connection on a Unix socket.
// --opt: sync=fdatasync|open_datasync  commit_delay=US  bin=DIR
#include <arpa/inet.h>
#include <postgresql/libpq-fe.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/postgres_server.h"

namespace corewal::peers {
namespace {

// A connection to the server. Thread: one.
class Connection {
 public:
  explicit Connection(const std::string& text) : connection_(PQconnectdb(text.c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK) DieOfIt("connect");
  }
  ~Connection() { PQfinish(connection_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The first value of the first row, or "".
  std::string Query(const std::string& sql) {
    return Take(PQexec(connection_, sql.c_str()), "query");
  }
  void Prepare(const char* name, const char* sql) {
    Take(PQprepare(connection_, name, sql, 1, nullptr), "prepare");
  }
  void Execute(const char* name, absl::string_view parameter) {
    const char* const value = parameter.data();
    const int length = static_cast<int>(parameter.size());
    const int format = 1;  // binary
    Take(PQexecPrepared(connection_, name, 1, &value, &length, &format, 1), name);
  }

 private:
  std::string Take(PGresult* result, absl::string_view call) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) DieOfIt(call);
    std::string value;
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0) value = PQgetvalue(result, 0, 0);
    PQclear(result);
    return value;
  }
  [[noreturn]] void DieOfIt(absl::string_view call) {
    Die("postgres ", call, ": ", PQerrorMessage(connection_));
  }

  PGconn* const connection_;
};

class PostgresClient final : public Client {
 public:
  PostgresClient(const std::string& connection, std::atomic<uint64_t>* written)
      : connection_(connection), written_(written) {
    connection_.Prepare("one", "SELECT pg_logical_emit_message(true, '', $1::bytea)");
    connection_.Prepare(
        "many", "SELECT count(pg_logical_emit_message(true, '', r)) FROM unnest($1::bytea[]) r");
  }

  void Commit(absl::string_view record) override {
    connection_.Execute("one", record);
    written_->fetch_add(1, std::memory_order_relaxed);
  }
  void Append(absl::string_view record) override {
    if (count_ == 0) {  // binary array: dimensions, no nulls, bytea, length, lower bound
      for (const uint32_t word : {1, 0, 17, 0, 1}) PutWord(word);
    }
    PutWord(static_cast<uint32_t>(record.size()));
    array_.append(record.data(), record.size());
    ++count_;
  }
  void Sync() override {
    if (count_ == 0) return;
    const uint32_t length = htonl(count_);
    std::memcpy(&array_[12], &length, sizeof(length));
    connection_.Execute("many", array_);
    written_->fetch_add(count_, std::memory_order_relaxed);
    array_.clear();
    count_ = 0;
  }

 private:
  void PutWord(uint32_t word) {
    word = htonl(word);
    array_.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }

  Connection connection_;
  std::atomic<uint64_t>* const written_;
  std::string array_;
  uint32_t count_ = 0;
};

class Postgres final : public Peer {
 public:
  explicit Postgres(const RunConfig& config)
      : config_(config),
        // With wal_level=minimal, open_datasync also writes the WAL with O_DIRECT.
        sync_(config.Option("sync", config.record_bytes >= 8192 ? "open_datasync" : "fdatasync")),
        server_(config.directory, config.Option("bin", "")) {}

  void Setup() override {
    server_.Initialize(Settings());
    server_.Start();
    Connection connection(server_.ConnectionText());
    const size_t prefill_bytes = config_.recover() ? 0 : config_.PrefillBytes(400e6);
    if (prefill_bytes > 0) {
      // Write WAL once and checkpoint, so that the timed part reuses its segments.
      connection.Query(absl::StrCat(
          "SELECT count(pg_logical_emit_message(false, '', repeat('x', 1048576))) FROM "
          "generate_series(1, ",
          prefill_bytes / kMiB, ")"));
    }
    connection.Query("CHECKPOINT");
    connection.Query("SELECT pg_stat_reset_shared('wal')");
    TakeNotes(prefill_bytes);
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<PostgresClient>(server_.ConnectionText(), &written_);
  }
  ServerUse Server() override { return server_.Use(); }

  void Teardown() override {
    {
      // Backends report their WAL statistics when they end. open_datasync: a write is a sync.
      Connection connection(server_.ConnectionText());
      const char* const column = sync_ == "fdatasync" ? "wal_sync" : "wal_write";
      syncs_ = atof(connection.Query(absl::StrCat("SELECT ", column, " FROM pg_stat_wal")).c_str());
    }
    server_.Stop("immediate");
    server_.RemoveSocket();
  }
  // The server counts from before the warm-up, so this is a share.
  double ServerSyncs(uint64_t records) override {
    const auto written = static_cast<double>(written_.load());
    return written > 0 ? syncs_ * static_cast<double>(records) / written : 0;
  }

  // The redo itself reports no count, so what the WAL holds is counted here.
  void CrashAfterWrite() override {
    server_.Stop("immediate");
    const std::string messages = server_.MessagesInWal();
    if (messages != absl::StrCat(config_.RecoverRecords())) {
      Die("postgres: the WAL holds ", messages, " messages, not ", config_.RecoverRecords());
    }
  }

  RecoverResult Recover() override {
    server_.Start();
    // The server logs how long its redo took.
    const std::string redo = server_.RedoLine();
    if (redo.find("elapsed: ") == std::string::npos) Die("the server log has no redo time");
    RecoverResult result;
    result.seconds = NumberBehind(redo, "elapsed: ");
    result.records = config_.RecoverRecords();
    result.cpu.process_s = NumberBehind(redo, "user: ") + NumberBehind(redo, "system: ");
    server_.Stop("fast");
    server_.RemoveSocket();
    notes_ =
        "server's own redo time (it reads and checks each record; a message has nothing to apply), "
        "resolution 10 ms; messages counted with pg_waldump before the clock";
    return result;
  }

 private:
  static double NumberBehind(const std::string& text, const std::string& name) {
    const size_t at = text.find(name);
    return at == std::string::npos ? 0 : atof(text.c_str() + at + name.size());
  }

  std::string Settings() const {
    return absl::StrCat(
        "max_connections=300\nshared_buffers=256MB\nwal_buffers=64MB\nwal_level=minimal\n"
        "max_wal_senders=0\nfsync=on\nsynchronous_commit=on\nfull_page_writes=off\n"
        "wal_sync_method=",
        sync_,
        "\ncommit_delay=", config_.IntOption("commit_delay", config_.clients >= 16 ? 100 : 0),
        "\nwal_recycle=on\nwal_init_zero=on\ncheckpoint_timeout=1d\nmax_wal_size=20GB\n"
        "min_wal_size=4GB\nautovacuum=off\njit=off\ntrack_activities=off\nlog_checkpoints=off\n"
        "bgwriter_lru_maxpages=0\nlog_min_messages=log\n");
  }

  void TakeNotes(size_t prefill_bytes) {
    notes_ = absl::StrCat(
        "pg_logical_emit_message(true), private server over a Unix socket; wal_sync_method=", sync_,
        " wal_buffers=64MB wal_level=minimal full_page_writes=off");
    if (prefill_bytes > 0) {
      absl::StrAppend(&notes_, ", WAL segments recycled (", prefill_bytes / kMiB, " MiB)");
    }
    notes_ += config_.commit() ? "; one transaction per record"
                               : "; one transaction per 1 MiB (unnest of a bytea array)";
    if (!config_.recover()) notes_ += "; CPU and writes are client + server processes";
  }

  const RunConfig config_;
  const std::string sync_;
  PostgresServer server_;
  std::atomic<uint64_t> written_ = 0;
  double syncs_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakePostgres(const RunConfig& config) {
  return std::make_unique<Postgres>(config);
}

}  // namespace corewal::peers
