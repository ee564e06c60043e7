// WiredTiger's log: log_printf + log_flush, or transactions on an append table.
// wiredtiger        each client asks WiredTiger for the sync of its own record
// wiredtiger-group  waiting clients are grouped into one log_flush
// --opt: style=printf|txn  method=fsync|dsync  zero=0|1  file_max_mib=N
#include <wiredtiger.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "benchmarks/peers/group_sync.h"
#include "benchmarks/peers/page_cache.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

constexpr char kTable[] = "table:records";

void Ok(int result, absl::string_view call) {
  if (result != 0) Die("wiredtiger ", call, ": ", wiredtiger_strerror(result));
}
void SyncLog(WT_SESSION* session) { Ok(session->log_flush(session, "sync=on"), "log_flush"); }
WT_SESSION* OpenSession(WT_CONNECTION* connection) {
  WT_SESSION* session = nullptr;
  Ok(connection->open_session(connection, nullptr, nullptr, &session), "open_session");
  return session;
}

class WiredtigerClient final : public Client {
 public:
  // `groups`: nullptr unless the benchmark groups the clients.
  WiredtigerClient(WT_CONNECTION* connection, bool transactions, GroupSync* groups)
      : transactions_(transactions), groups_(groups), session_(OpenSession(connection)) {
    if (!transactions_) return;
    Ok(session_->open_cursor(session_, kTable, nullptr, "append", &cursor_), "open_cursor");
  }
  ~WiredtigerClient() override { Ok(session_->close(session_, nullptr), "session close"); }

  void Commit(absl::string_view record) override {
    Append(record);
    if (groups_ != nullptr) {
      auto lock = groups_->Lock();
      groups_->WaitDurable(lock, groups_->open_batch());
    } else if (!transactions_) {
      Sync();
    }
  }
  void Append(absl::string_view record) override {
    if (!transactions_) {
      Ok(session_->log_printf(session_, "%s", record.data()), "log_printf");
      return;
    }
    WT_ITEM item;
    std::memset(&item, 0, sizeof(item));
    item.data = record.data();
    item.size = record.size();
    cursor_->set_value(cursor_, &item);
    Ok(cursor_->insert(cursor_), "insert");  // a transaction of its own
  }
  void Sync() override { SyncLog(session_); }

 private:
  const bool transactions_;
  GroupSync* const groups_;
  WT_SESSION* const session_;
  WT_CURSOR* cursor_ = nullptr;
};

class Wiredtiger final : public Peer {
 public:
  Wiredtiger(const RunConfig& config, bool grouped)
      : config_(config),
        grouped_(grouped),
        transactions_(
            config.Option("style", config.record_bytes >= 4096 && (grouped || !config.commit())
                                       ? "txn"
                                       : "printf") == "txn"),
        method_(config.Option("method", "fsync")),
        zero_(config.IntOption("zero", config.commit() ? 1 : 0) != 0),
        file_max_mib_(config.IntOption("file_max_mib", config.recover() ? 100 : 256)),
        groups_([this](uint64_t) { SyncLog(sync_session_); }) {}

  void Setup() override {
    Open();
    WT_SESSION* const session = OpenSession(connection_);
    if (transactions_) {
      Ok(session->create(session, kTable, "key_format=r,value_format=u"), "create");
    }
    SyncLog(session);
    if (grouped_) {
      sync_session_ = session;
    } else {
      Ok(session->close(session, nullptr), "session close");
    }
    absl::StrAppend(
        &notes_,
        transactions_ ? "one insert per transaction into a recno table" : "log_printf (text)",
        "; file_max ", file_max_mib_, " MiB, prealloc", zero_ ? ", zero_fill" : "", SyncNote());
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<WiredtigerClient>(connection_, transactions_,
                                              grouped_ ? &groups_ : nullptr);
  }
  void Teardown() override { Ok(connection_->close(connection_, "leak_memory=true"), "close"); }

  RecoverResult Recover() override {
    const Stopwatch open_watch;
    Open();
    const double open_s = open_watch.Seconds();
    if (config_.cold) DropPageCache(config_.directory);
    const Stopwatch watch;
    ReplayCheck check;
    ReadLog(&check);
    RecoverResult result = watch.Result();
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    notes_ = absl::StrFormat(
        "log cursor scan; not counted: wiredtiger_open with recovery before it, %.3f s", open_s);
    Teardown();
    return result;
  }

 private:
  void Open() {
    const std::string settings = absl::StrCat(
        "create,session_max=400,cache_size=12GB,eviction_dirty_trigger=95,eviction_dirty_target=90,"
        "log=(enabled=true,archive=false,prealloc=true,file_max=",
        file_max_mib_, "MB", zero_ ? ",zero_fill=true" : "",
        "),transaction_sync=(enabled=", config_.commit() && !grouped_ ? "true" : "false",
        ",method=", method_, ")");
    Ok(wiredtiger_open(config_.directory.c_str(), nullptr, settings.c_str(), &connection_), "open");
  }

  std::string SyncNote() const {
    if (!config_.commit()) return "; log_flush(sync=on) every 1 MiB";
    if (grouped_) return "; log_flush(sync=on) per group of waiting clients";
    if (transactions_) return "; transaction_sync method=" + method_;
    return "; log_flush(sync=on) per record";
  }

  void ReadLog(ReplayCheck* check) {
    WT_SESSION* const session = OpenSession(connection_);
    WT_CURSOR* cursor = nullptr;
    Ok(session->open_cursor(session, "log:", nullptr, nullptr, &cursor), "log cursor");
    int got = cursor->next(cursor);
    for (; got == 0; got = cursor->next(cursor)) {
      uint64_t transaction;
      uint32_t record_type, operation, file;
      WT_ITEM key, value;
      Ok(cursor->get_value(cursor, &transaction, &record_type, &operation, &file, &key, &value),
         "get_value");
      const bool ours = transactions_
                            ? record_type == WT_LOGREC_COMMIT && operation == WT_LOGOP_COL_PUT
                            : record_type == WT_LOGREC_MESSAGE;
      if (!ours) continue;
      // A message is a C string at the start of a zero-padded log record.
      const char* const data = static_cast<const char*>(value.data);
      check->Add(absl::string_view(data, transactions_ ? value.size : strnlen(data, value.size)));
    }
    if (got != WT_NOTFOUND) Ok(got, "log cursor next");
  }

  const RunConfig config_;
  const bool grouped_;
  const bool transactions_;
  const std::string method_;
  const bool zero_;
  const int64_t file_max_mib_;
  WT_CONNECTION* connection_ = nullptr;
  WT_SESSION* sync_session_ = nullptr;  // used by one leader at a time
  GroupSync groups_;
};

}  // namespace

std::unique_ptr<Peer> MakeWiredtiger(const RunConfig& config) {
  return std::make_unique<Wiredtiger>(config, false);
}
std::unique_ptr<Peer> MakeWiredtigerGroup(const RunConfig& config) {
  return std::make_unique<Wiredtiger>(config, true);
}

}  // namespace corewal::peers
