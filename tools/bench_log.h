// tools/bench_log.h: the log that a run appends to: its engine, and the records still to come.
#ifndef COREWAL_TOOLS_BENCH_LOG_H_
#define COREWAL_TOOLS_BENCH_LOG_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "tools/bench_options.h"
#include "tools/log_check.h"
#include "tools/log_counters.h"
#include "tools/shard_feed.h"

namespace corewal {

class BenchLog {
 public:
  // Opens the log in options.directory. With options.resume reads all that is there, compares it
  // with what wal-bench makes up, and goes on behind it.
  static absl::StatusOr<std::unique_ptr<BenchLog>> Open(const BenchOptions& options);

  Engine& engine() { return *engine_; }
  ShardFeed& feed(uint32_t shard) { return *feeds_[shard]; }
  // Null unless the records come from --input.
  InputRecordSource* input() { return input_; }
  // Of what was there before; no errors unless resumed.
  const LogCheckResult& found() const { return found_; }
  // Waits until the counters tell of `records`, or a little while; engine's threads only.
  LogCounters SettledCounters(uint64_t records) const;

  absl::Status Close() { return engine_->Close(); }
  // Reads everything back, after Close. `watch` gets the payload bytes read so far.
  absl::StatusOr<LogCheckResult> Verify(const std::function<void(uint64_t)>& watch);

 private:
  BenchLog(const BenchOptions& options, std::unique_ptr<Engine> engine)
      : options_(options), engine_(std::move(engine)) {}
  absl::Status ReadWhatIsThere();
  absl::Status MakeFeeds();
  LogCheckOptions CheckOptionsFor(uint32_t shard) const;
  absl::StatusOr<LogCheckResult> VerifyInput(const LogCheckOptions& check);

  const BenchOptions& options_;
  std::unique_ptr<Engine> engine_;
  std::vector<uint64_t> first_seqs_;  // of this run, by shard
  std::vector<std::unique_ptr<ShardFeed>> feeds_;
  InputRecordSource* input_ = nullptr;
  LogCheckResult found_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_LOG_H_
