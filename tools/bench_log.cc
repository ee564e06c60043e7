#include "tools/bench_log.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "tools/progress_line.h"
#include "wal/format.h"

namespace corewal {
namespace {

constexpr MonotonicNs kSettleStepNs = 5'000'000;
constexpr int kSettleSteps = 60;

}  // namespace

absl::StatusOr<std::unique_ptr<BenchLog>> BenchLog::Open(const BenchOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Open(options.engine));
  auto log = absl::WrapUnique(new BenchLog(options, std::move(engine)));
  log->first_seqs_.assign(options.engine.shards, 1);
  if (options.resume) RETURN_IF_ERROR(log->ReadWhatIsThere());
  RETURN_IF_ERROR(log->MakeFeeds());
  return log;
}

absl::Status BenchLog::ReadWhatIsThere() {
  ProgressLine progress("reading what is there");
  for (const ShardId shard : engine_->shards_on_disk()) {
    LogCheckOptions check = CheckOptionsFor(ToIndex(shard));
    check.to = engine_->recovered_end(shard).lsn;
    check.watch = [&](uint64_t bytes) {
      progress.Update(-1, absl::StrCat(bytes / 1'000'000, " MB"));
    };
    // What came from an input cannot be known again; it is counted.
    const RecordCheck any = [](uint64_t, absl::Span<const std::byte>) { return true; };
    ASSIGN_OR_RETURN(
        const LogCheckResult found,
        CheckLog(check,
                 options_.made() ? MadeRecordCheck(shard, options_.lengths, UINT64_MAX) : any));
    found_.Merge(found);
    if (ToIndex(shard) < first_seqs_.size()) first_seqs_[ToIndex(shard)] = found.records + 1;
  }
  return absl::OkStatus();
}

absl::Status BenchLog::MakeFeeds() {
  const bool shared = options_.clients > options_.engine.shards;
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    std::unique_ptr<RecordSource> source;
    if (options_.made()) {
      source = std::make_unique<MadeRecordSource>(ShardId{i}, first_seqs_[i], options_.lengths);
    } else {
      ASSIGN_OR_RETURN(auto input,
                       InputRecordSource::Open(options_.input, first_seqs_[i], kRecordBytesMax));
      input_ = input.get();
      source = std::move(input);
    }
    feeds_.push_back(std::make_unique<ShardFeed>(ShardId{i}, std::move(source), shared));
  }
  return absl::OkStatus();
}

LogCounters BenchLog::SettledCounters(uint64_t records) const {
  LogCounters sum;
  for (int step = 0; step < kSettleSteps; ++step) {
    sum = LogCounters();
    for (uint32_t i = 0; i < options_.engine.shards; ++i) {
      sum += LogCounters::Of(engine_->info(ShardId{i}).writer);
    }
    if (sum.records >= records) break;
    Clock::System().SleepUntil(Clock::System().Now() + kSettleStepNs);
  }
  return sum;
}

LogCheckOptions BenchLog::CheckOptionsFor(uint32_t shard) const {
  LogCheckOptions check;
  check.directory = options_.directory;
  check.shard = ShardId{shard};
  check.backend = options_.engine.shard.io.backend;
  check.direct = options_.engine.shard.direct;
  return check;
}

absl::StatusOr<LogCheckResult> BenchLog::Verify(const std::function<void(uint64_t)>& watch) {
  LogCheckResult all;
  for (uint32_t i = 0; i < options_.engine.shards; ++i) {
    LogCheckOptions check = CheckOptionsFor(i);
    check.records = feeds_[i]->source().seq() - 1;
    check.watch = [&](uint64_t bytes) { watch(all.payload_bytes + bytes); };
    if (options_.made()) {
      ASSIGN_OR_RETURN(
          const LogCheckResult result,
          CheckLog(check, MadeRecordCheck(ShardId{i}, options_.lengths, first_seqs_[i])));
      all.Merge(result);
    } else {
      ASSIGN_OR_RETURN(const LogCheckResult result, VerifyInput(check));
      all.Merge(result);
    }
  }
  return all;
}

// A file is read a second time; of standard input the digest was kept.
absl::StatusOr<LogCheckResult> BenchLog::VerifyInput(const LogCheckOptions& check) {
  const uint64_t first_seq = first_seqs_[ToIndex(check.shard)];
  if (options_.input == "-") {
    RecordDigest digest;
    ASSIGN_OR_RETURN(LogCheckResult result,
                     CheckLog(check, [&](uint64_t seq, absl::Span<const std::byte> payload) {
                       if (seq >= first_seq) digest.Add(payload);
                       return true;
                     }));
    if (digest != input_->digest() && result.errors++ == 0) {
      result.first_error = "the records are not those that came from standard input";
    }
    return result;
  }
  ASSIGN_OR_RETURN(const auto again,
                   InputRecordSource::Open(options_.input, first_seq, kRecordBytesMax));
  return CheckLog(check, [&](uint64_t seq, absl::Span<const std::byte> payload) {
    if (seq < first_seq) return true;
    absl::Span<const std::byte> line;
    if (!again->Peek(&line)) return false;
    const bool same = std::equal(line.begin(), line.end(), payload.begin(), payload.end());
    again->Take();
    return same;
  });
}

}  // namespace corewal
