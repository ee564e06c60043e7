#include "tools/stream_client.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "tools/embedded_shard.h"
#include "tools/interrupt.h"
#include "tools/refusal.h"

namespace corewal {
namespace {

constexpr MonotonicNs kMailboxRetryNs = 100'000;  // a small part of the time to drain a full one
constexpr MonotonicNs kWaitNs = 10'000'000;

MonotonicNs Now() { return Clock::System().Now(); }

// What both kinds of client do. Clock and limits are looked at once per stride: each look costs as
// much as an append.
class StreamClient : public BenchClient {
 public:
  explicit StreamClient(const StreamClientOptions& options) : options_(options) {}

 protected:
  static constexpr uint64_t kStrideRecords = 64;
  static constexpr uint64_t kStrideBytes = 64 << 10;

  void BeginSlice(const SliceLimit& limit, SliceResult* result) {
    limit_ = limit;
    result_ = result;
    result->begin = Now();
  }
  void EndSlice() {
    result_->end = Now();
    if (options_.acks == nullptr) return;
    options_.acks->Print();
    result_->status.Update(options_.acks->status());
  }
  bool MayGoOn() const {
    return result_->status.ok() && !Interrupted() && result_->records < limit_.records &&
           result_->payload_bytes < limit_.payload_bytes && Now() < limit_.deadline;
  }
  uint64_t StrideRecords() const {
    return std::min(kStrideRecords, limit_.records - result_->records);
  }
  void Count(uint64_t records, uint64_t bytes) {
    result_->records += records;
    result_->payload_bytes += bytes;
    progress_.Add(records, bytes);
    if (options_.acks != nullptr) options_.acks->Print();
  }
  bool IsSample(uint64_t seq) const { return (seq & (options_.sample_every - 1)) == 0; }
  bool Remembered(uint64_t seq) const { return IsSample(seq) || options_.acks != nullptr; }
  void OnDurable(uint64_t seq, Lsn lsn, MonotonicNs since) {
    if (IsSample(seq)) {
      result_->latency_ns.Record(static_cast<uint64_t>(Now() - since));
    }
    if (options_.acks != nullptr) options_.acks->Note(options_.feed->shard(), seq, lsn);
  }
  // So that the loop knows the source's type, and no record costs a virtual call.
  template <typename Work>
  void WithKnownType(Work work) {
    RecordSource& source = options_.feed->source();
    if (auto* made = dynamic_cast<MadeRecordSource*>(&source)) return work(*made);
    if (auto* input = dynamic_cast<InputRecordSource*>(&source)) return work(*input);
    work(source);
  }

  const StreamClientOptions options_;
  SliceLimit limit_;
  SliceResult* result_ = nullptr;
};

class EmbeddedStreamClient final : public EmbeddedShard<StreamClient> {
 public:
  using EmbeddedShard<StreamClient>::EmbeddedShard;

  void Run(const SliceLimit& limit, SliceResult* result) override {
    BeginSlice(limit, result);
    WithKnownType([this](auto& source) { Stream(source); });
    result->status.Update(shard().WaitDurable());
    TakeDurable();
    EndSlice();
  }

 private:
  struct Remembrance {
    Lsn lsn;
    uint64_t seq;
    MonotonicNs since;
  };

  template <typename Source>
  void Stream(Source& source) {
    LogWriter& writer = shard().writer();
    absl::Span<const std::byte> record;
    bool more = true;
    while (more && MayGoOn()) {
      uint64_t records = 0;
      uint64_t bytes = 0;
      const uint64_t stride = StrideRecords();
      while (records < stride && bytes < kStrideBytes) {
        if (!(more = source.Peek(&record))) break;
        const absl::StatusOr<Lsn> lsn = writer.Append(record);
        if (!lsn.ok()) {
          OnRefused(lsn.status());
          break;
        }
        ++records;
        bytes += record.size();
        if (Remembered(source.seq())) remembered_.push_back({*lsn, source.seq(), Now()});
        source.Take();
        if (writer.submitted() != submitted_) OnBatchClosed();
      }
      Count(records, bytes);
    }
    result_->status.Update(source.status());
  }

  // A batch was staged: let it go out, and see what came back.
  void OnBatchClosed() {
    result_->status.Update(shard().Poll());
    submitted_ = shard().writer().submitted();
    TakeDurable();
  }
  void OnRefused(const absl::Status& why) {
    const absl::Status final = WhyRefused(why, shard().writer().preparing_stall());
    if (final != why || !absl::IsResourceExhausted(why)) {
      result_->status.Update(final);
    } else {
      result_->status.Update(shard().Wait(Now() + kWaitNs));
      TakeDurable();
    }
  }
  void TakeDurable() {
    const Lsn durable = shard().durable_lsn();
    while (!remembered_.empty() && remembered_.front().lsn < durable) {
      const Remembrance& oldest = remembered_.front();
      OnDurable(oldest.seq, oldest.lsn, oldest.since);
      remembered_.pop_front();
    }
  }

  Lsn submitted_;
  std::deque<Remembrance> remembered_;
};

class EngineStreamClient final : public StreamClient {
 public:
  using StreamClient::StreamClient;

  void Run(const SliceLimit& limit, SliceResult* result) override {
    BeginSlice(limit, result);
    WithKnownType([this](auto& source) { Stream(source); });
    if (!SendLast()) AwaitAll();
    // Callbacks run on the shard's thread in LSN order, so all of them have run, or are about to.
    while (unanswered_.load(std::memory_order_acquire) > 0) {
      Clock::System().SleepUntil(Now() + kMailboxRetryNs);
    }
    result->status.Update(failure_);
    EndSlice();
  }

 private:
  // Posts all but the last record, which is to be answered.
  template <typename Source>
  void Stream(Source& source) {
    absl::Span<const std::byte> record;
    bool more = true;
    while (more && MayGoOn() && result_->records + 1 < limit_.records) {
      uint64_t records = 0;
      uint64_t bytes = 0;
      const uint64_t stride = std::min(StrideRecords(), limit_.records - 1 - result_->records);
      bool refused = false;
      while (records < stride && bytes < kStrideBytes) {
        const auto access = options_.feed->Access();
        more = source.Peek(&record) && !source.IsLast() && source.Peek(&record);
        if (!more) break;
        const absl::Status sent = Send(record, source.seq());
        if (!sent.ok()) {
          refused = absl::IsResourceExhausted(sent);
          if (!refused) result_->status.Update(CauseOf(sent));
          break;
        }
        ++records;
        bytes += record.size();
        source.Take();
      }
      Count(records, bytes);
      if (refused) {
        result_->status.Update(GiveUpIfFull());
        Clock::System().SleepUntil(Now() + kMailboxRetryNs);
      }
    }
    result_->status.Update(source.status());
  }

  absl::Status Send(absl::Span<const std::byte> record, uint64_t seq) {
    Engine& engine = *options_.engine;
    const ShardId shard = options_.feed->shard();
    if (!Remembered(seq)) return engine.Post(shard, record);
    const MonotonicNs since = Now();
    unanswered_.fetch_add(1, std::memory_order_relaxed);
    absl::Status sent =
        engine.Append(shard, record, {}, [this, seq, since](absl::StatusOr<Lsn> lsn) {
          if (lsn.ok()) {
            OnDurable(seq, *lsn, since);
          } else {
            failure_.Update(lsn.status());
          }
          unanswered_.fetch_sub(1, std::memory_order_release);
        });
    if (!sent.ok()) unanswered_.fetch_sub(1, std::memory_order_relaxed);
    return sent;
  }

  // The record behind those posted; when it is durable, so are they. False: there is none.
  bool SendLast() {
    if (!result_->status.ok()) return false;
    ShardFeed& feed = *options_.feed;
    while (true) {
      AppendFuture future;
      uint64_t bytes = 0;
      uint64_t seq = 0;
      {
        const auto access = feed.Access();
        absl::Span<const std::byte> record;
        if (!feed.source().Peek(&record)) {
          result_->status.Update(feed.source().status());
          return false;
        }
        absl::StatusOr<AppendFuture> sent = options_.engine->Append(feed.shard(), record);
        if (sent.ok()) {
          future = *std::move(sent);
          bytes = record.size();
          seq = feed.source().seq();
          feed.source().Take();
        } else if (!absl::IsResourceExhausted(sent.status())) {
          result_->status.Update(CauseOf(sent.status()));
          return false;
        }
      }
      if (!future.valid()) {
        result_->status.Update(GiveUpIfFull());
        if (!result_->status.ok()) return false;
        Clock::System().SleepUntil(Now() + kMailboxRetryNs);
        continue;
      }
      const absl::StatusOr<Lsn> lsn = AnswerOf(future);
      if (!lsn.ok()) {
        const bool refused = absl::IsResourceExhausted(lsn.status());
        result_->status.Update(refused ? CauseOf(lsn.status()) : lsn.status());
      } else {
        Count(1, bytes);
        if (options_.acks != nullptr) options_.acks->Note(feed.shard(), seq, *lsn);
      }
      return true;
    }
  }

  absl::StatusOr<Lsn> AnswerOf(AppendFuture& future) {
    for (;;) {
      absl::StatusOr<Lsn> lsn = future.WaitFor(absl::Milliseconds(100));
      if (!absl::IsDeadlineExceeded(lsn.status())) return lsn;
      RETURN_IF_ERROR(GiveUpIfFull());
    }
  }

  // The disk is full: what was posted would wait for room, and all behind it. Closing the engine
  // gives it up and answers the rest.
  absl::Status GiveUpIfFull() {
    absl::Status full = Full();
    if (full.ok()) return full;
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    options_.engine->Close().IgnoreError();
    return full;
  }
  absl::Status Full() const {
    const ShardInfo info = options_.engine->info(options_.feed->shard());
    if (info.stall.ok() || info.writer.segments_ready > 0) return absl::OkStatus();
    return WhyRefused(absl::ResourceExhaustedError(""), info.stall);
  }
  // Another client may have closed the engine, for want of room.
  absl::Status CauseOf(const absl::Status& refused) const {
    const absl::Status full = Full();
    return full.ok() ? refused : full;
  }

  // No record is left that could be answered: watch the shard until it has nothing to do.
  void AwaitAll() {
    if (result_->records == 0) return;
    const ShardId shard = options_.feed->shard();
    uint64_t quiet = 0;
    for (Lsn last; quiet < 10;) {
      const ShardInfo info = options_.engine->info(shard);
      result_->status.Update(info.failure);
      result_->status.Update(GiveUpIfFull());
      if (!result_->status.ok()) return;
      quiet = info.appended == last && info.durable == info.appended ? quiet + 1 : 0;
      last = info.appended;
      Clock::System().SleepUntil(Now() + kWaitNs);
    }
  }

  std::atomic<uint64_t> unanswered_{0};
  absl::Status failure_;  // written by callbacks
};

}  // namespace

std::unique_ptr<BenchClient> MakeEngineStreamClient(const StreamClientOptions& options) {
  return std::make_unique<EngineStreamClient>(options);
}

std::unique_ptr<BenchClient> MakeEmbeddedStreamClient(const StreamClientOptions& options) {
  return std::make_unique<EmbeddedStreamClient>(options);
}

}  // namespace corewal
