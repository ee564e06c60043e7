#include "tools/commit_client.h"

#include <deque>
#include <utility>

#include "absl/status/status.h"
#include "tools/embedded_shard.h"
#include "tools/interrupt.h"
#include "tools/refusal.h"

namespace corewal {
namespace {

constexpr MonotonicNs kRetryNs = 50'000;
constexpr MonotonicNs kWaitNs = 10'000'000;

MonotonicNs Now() { return Clock::System().Now(); }

// What both kinds of client do: keep count, keep time, tell the acks.
class CommitClient : public BenchClient {
 public:
  explicit CommitClient(const CommitClientOptions& options) : options_(options) {}

 protected:
  void BeginSlice(const SliceLimit& limit, SliceResult* result) {
    limit_ = limit;
    result_ = result;
    appended_records_ = 0;
    appended_bytes_ = 0;
    ended_ = false;
    result->begin = now_ = Now();
  }
  void EndSlice() {
    result_->end = Now();
    if (options_.acks != nullptr) result_->status.Update(options_.acks->status());
  }
  // `now_` is the time of the last answer: reading the clock once per record is enough.
  bool MayAppend() const {
    return !ended_ && now_ < limit_.deadline && appended_records_ < limit_.records &&
           appended_bytes_ < limit_.payload_bytes && !Interrupted() && result_->status.ok();
  }
  void OnAppended(uint64_t bytes) {
    ++appended_records_;
    appended_bytes_ += bytes;
  }
  void OnDurable(uint64_t seq, Lsn lsn, uint64_t bytes, MonotonicNs since) {
    now_ = Now();
    result_->latency_ns.Record(static_cast<uint64_t>(now_ - since));
    ++result_->records;
    result_->payload_bytes += bytes;
    progress_.Add(1, bytes);
    if (options_.acks == nullptr) return;
    options_.acks->Note(options_.feed->shard(), seq, lsn);
    options_.acks->Print();
  }

  const CommitClientOptions options_;
  SliceResult* result_ = nullptr;
  MonotonicNs now_ = 0;
  bool ended_ = false;  // no more records

 private:
  SliceLimit limit_;
  uint64_t appended_records_ = 0;
  uint64_t appended_bytes_ = 0;
};

class EngineCommitClient final : public CommitClient {
 public:
  using CommitClient::CommitClient;

  void Run(const SliceLimit& limit, SliceResult* result) override {
    BeginSlice(limit, result);
    while (true) {
      bool refused = false;
      while (pending_.size() < options_.inflight && !refused && MayAppend()) refused = !Append();
      if (!pending_.empty()) {
        AwaitOldest();
      } else if (refused) {
        Clock::System().SleepUntil(Now() + kRetryNs);  // others filled the mailbox
        now_ = Now();
      } else {
        break;
      }
    }
    EndSlice();
  }

 private:
  struct Pending {
    AppendFuture future;
    uint64_t seq;
    uint64_t bytes;
    MonotonicNs since;
  };

  // False: refused for now.
  bool Append() {
    ShardFeed& feed = *options_.feed;
    const auto access = feed.Access();
    absl::Span<const std::byte> record;
    if (!feed.source().Peek(&record)) {
      ended_ = true;
      result_->status.Update(feed.source().status());
      return true;
    }
    const MonotonicNs since = Now();
    absl::StatusOr<AppendFuture> future = options_.engine->Append(feed.shard(), record);
    if (!future.ok()) {
      if (absl::IsResourceExhausted(future.status())) return false;
      result_->status.Update(future.status());
      return true;
    }
    pending_.push_back({*std::move(future), feed.source().seq(), record.size(), since});
    OnAppended(record.size());
    feed.source().Take();
    return true;
  }

  void AwaitOldest() {
    Pending& oldest = pending_.front();
    const absl::StatusOr<Lsn> lsn = oldest.future.Wait();
    if (lsn.ok()) {
      OnDurable(oldest.seq, *lsn, oldest.bytes, oldest.since);
    } else {
      const absl::Status stall = options_.engine->info(options_.feed->shard()).stall;
      result_->status.Update(WhyRefused(lsn.status(), stall));
    }
    pending_.pop_front();
  }

  std::deque<Pending> pending_;
};

class EmbeddedCommitClient final : public EmbeddedShard<CommitClient> {
 public:
  using EmbeddedShard<CommitClient>::EmbeddedShard;

  void Run(const SliceLimit& limit, SliceResult* result) override {
    BeginSlice(limit, result);
    while (true) {
      while (pending_.size() < options_.inflight && MayAppend() && Append()) {
      }
      if (pending_.empty() && !MayAppend()) break;
      Await();
    }
    EndSlice();
  }

 private:
  struct Pending {
    Lsn lsn;
    uint64_t seq;
    uint64_t bytes;
    MonotonicNs since;
  };

  // False: refused for now.
  bool Append() {
    RecordSource& source = options_.feed->source();
    absl::Span<const std::byte> record;
    if (!source.Peek(&record)) {
      ended_ = true;
      result_->status.Update(source.status());
      return true;
    }
    const MonotonicNs since = Now();
    const absl::StatusOr<Lsn> lsn = shard().writer().Append(record);
    if (!lsn.ok()) {
      const absl::Status& stall = shard().writer().preparing_stall();
      const bool for_now = absl::IsResourceExhausted(lsn.status()) && stall.ok();
      if (!for_now) result_->status.Update(WhyRefused(lsn.status(), stall));
      return false;
    }
    pending_.push_back({*lsn, source.seq(), record.size(), since});
    OnAppended(record.size());
    source.Take();
    return true;
  }

  void Await() {
    // One record and nothing else to do: the shard may take its shortest way. Nothing pending: the
    // append was refused, and what it waits for may have no completion to wake us.
    const absl::Status waited = options_.inflight == 1 && !pending_.empty()
                                    ? shard().WaitDurable()
                                    : shard().Wait(Now() + kWaitNs);
    if (!waited.ok()) {
      result_->status.Update(waited);
      pending_.clear();
      return;
    }
    const Lsn durable = shard().durable_lsn();
    while (!pending_.empty() && pending_.front().lsn < durable) {
      const Pending& oldest = pending_.front();
      OnDurable(oldest.seq, oldest.lsn, oldest.bytes, oldest.since);
      pending_.pop_front();
    }
    if (pending_.empty()) now_ = Now();
  }

  std::deque<Pending> pending_;
};

}  // namespace

std::unique_ptr<BenchClient> MakeEngineCommitClient(const CommitClientOptions& options) {
  return std::make_unique<EngineCommitClient>(options);
}

std::unique_ptr<BenchClient> MakeEmbeddedCommitClient(const CommitClientOptions& options) {
  return std::make_unique<EmbeddedCommitClient>(options);
}

}  // namespace corewal
