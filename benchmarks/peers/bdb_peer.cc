// bdb: Berkeley DB's log subsystem on its own: DB_ENV->log_put, log_flush, DB_LOGC.
// --opt: sync=fdatasync|dsync  zero=0|1  lg_max_mib=N  bsize_kib=N  spins=N
#include <db.h>

#include <cstring>
#include <memory>

#include "absl/strings/str_format.h"
#include "benchmarks/peers/peer_table.h"
#include "benchmarks/peers/record_maker.h"
#include "benchmarks/peers/replay_check.h"
#include "benchmarks/peers/stopwatch.h"

namespace corewal::peers {
namespace {

void Ok(int result, absl::string_view call) {
  if (result != 0) Die("bdb ", call, ": ", db_strerror(result));
}

void Put(DB_ENV* environment, absl::string_view record, uint32_t flags) {
  DBT data;
  std::memset(&data, 0, sizeof(data));
  data.data = const_cast<char*>(record.data());
  data.size = static_cast<uint32_t>(record.size());
  DB_LSN lsn;
  Ok(environment->log_put(environment, &lsn, &data, flags), "log_put");
}

class BdbClient final : public Client {
 public:
  explicit BdbClient(DB_ENV* environment) : environment_(environment) {}

  void Commit(absl::string_view record) override { Put(environment_, record, DB_FLUSH); }
  void Append(absl::string_view record) override { Put(environment_, record, 0); }
  void Sync() override { Ok(environment_->log_flush(environment_, nullptr), "log_flush"); }

 private:
  DB_ENV* const environment_;
};

class Bdb final : public Peer {
 public:
  explicit Bdb(const RunConfig& config) : config_(config) {}

  void Setup() override {
    OpenEnvironment();
    // The first record creates (and with zero=1 fills) the first log file.
    RecordMaker maker(64, 1023);
    if (!config_.recover()) Put(environment_, maker.Next(), DB_FLUSH);
    absl::StrAppend(&notes_, "log_put; lg_max ", lg_max_ >> 20, " MiB, lg_bsize ", bsize_ >> 10,
                    " KiB, DB_PRIVATE", zero_ ? ", DB_LOG_ZERO (zero-filled before the clock)" : "",
                    dsync_ ? ", DB_LOG_DSYNC" : "",
                    config_.commit() ? "; DB_FLUSH per record" : "; log_flush every 1 MiB");
  }
  std::unique_ptr<Client> NewClient(int) override {
    return std::make_unique<BdbClient>(environment_);
  }
  void Teardown() override {
    Ok(environment_->close(environment_, 0), "close");
    environment_ = nullptr;
  }

  RecoverResult Recover() override {
    const Stopwatch watch;
    OpenEnvironment();
    const double open_s = watch.Seconds();
    DB_LOGC* cursor = nullptr;
    Ok(environment_->log_cursor(environment_, &cursor, 0), "log_cursor");
    ReplayCheck check;
    DBT data;
    std::memset(&data, 0, sizeof(data));
    DB_LSN lsn;
    int got = cursor->get(cursor, &lsn, &data, DB_FIRST);
    for (; got == 0; got = cursor->get(cursor, &lsn, &data, DB_NEXT)) {
      check.Add(absl::string_view(static_cast<const char*>(data.data), data.size));
    }
    if (got != DB_NOTFOUND) Ok(got, "cursor get");
    RecoverResult result = watch.Result();
    result.records = check.records();
    OrDie(check.Verify(config_.RecoverRecords(), config_.record_bytes));
    notes_ = absl::StrFormat("env open (%.3f s, finds the end of the log) + DB_LOGC scan", open_s);
    cursor->close(cursor, 0);
    Teardown();
    return result;
  }

 private:
  void OpenEnvironment() {
    Ok(db_env_create(&environment_, 0), "create");
    DB_ENV* const env = environment_;
    env->set_errfile(env, stderr);
    // Zero-filled logs pay for commits that are small; the recover mode has no use for them, and
    // small files make the end of the log quick to find.
    zero_ = config_.IntOption("zero", config_.recover() ? 0 : 1) != 0;
    const int64_t lg_max_mib =
        config_.recover() ? 64 : static_cast<int64_t>(config_.PrefillBytes() / kMiB);
    lg_max_ = static_cast<uint32_t>(config_.IntOption("lg_max_mib", lg_max_mib)) << 20;
    const int64_t bsize_kib = config_.async() ? 16384 : 4096;
    bsize_ = static_cast<uint32_t>(config_.IntOption("bsize_kib", bsize_kib)) << 10;
    Ok(env->set_lg_max(env, lg_max_), "set_lg_max");
    Ok(env->set_lg_bsize(env, bsize_), "set_lg_bsize");
    if (const int64_t spins = config_.IntOption("spins", 0); spins != 0) {
      Ok(env->mutex_set_tas_spins(env, static_cast<uint32_t>(spins)), "mutex_set_tas_spins");
    }
    dsync_ = config_.Option("sync", "fdatasync") == "dsync";
    if (dsync_) Ok(env->log_set_config(env, DB_LOG_DSYNC, 1), "log_set_config");
    if (zero_) Ok(env->log_set_config(env, DB_LOG_ZERO, 1), "log_set_config");
    constexpr uint32_t kFlags = DB_CREATE | DB_INIT_LOG | DB_PRIVATE | DB_THREAD;
    Ok(env->open(env, config_.directory.c_str(), kFlags, 0644), "open");
  }

  const RunConfig config_;
  DB_ENV* environment_ = nullptr;
  uint32_t lg_max_ = 0;
  uint32_t bsize_ = 0;
  bool dsync_ = false;
  bool zero_ = false;
};

}  // namespace

std::unique_ptr<Peer> MakeBdb(const RunConfig& config) { return std::make_unique<Bdb>(config); }

}  // namespace corewal::peers
