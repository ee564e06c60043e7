// A program of somebody else: the whole public interface with the installed
// library. Usage: program DIRECTORY. Exits 0 if all that it appended is found
// again, in order.
#include <corewal/engine/engine.h>
#include <corewal/engine/shard.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>
#ifdef __cpp_impl_coroutine
#include <coroutine>
#endif

#if !defined(FROM_SOURCE) && (defined(CHECK) || defined(DCHECK))
#error                                                                         \
    "CHECK belongs to the host, or to its glog: no installed header may define it"
#endif

namespace {

using corewal::Engine;
using corewal::EngineOptions;
using corewal::Lsn;
using corewal::ShardId;
using Texts = std::vector<std::string>;

// Ends the program where something is not as it should be.
void Must(const char *what, const absl::Status &status) {
  if (status.ok())
    return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::exit(1);
}
template <typename T> T Must(const char *what, absl::StatusOr<T> value) {
  Must(what, value.status());
  return *std::move(value);
}
void Must(const char *what, bool holds) {
  Must(what, holds ? absl::OkStatus() : absl::InternalError("it is not so"));
}

absl::Span<const std::byte> Bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte *>(text.data()), text.size()};
}

std::string Text(absl::Span<const std::byte> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

#ifdef __cpp_impl_coroutine
struct Flow {
  struct promise_type {
    Flow get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
};
Flow AppendAndAwait(Engine &engine, std::atomic<bool> *done) {
  auto future = Must("append", engine.Append(ShardId{0}, Bytes("awaited")));
  Must("co_await", (co_await future).status());
  done->store(true);
  done->notify_one();
}
#endif

// Each way that a record can take from another thread.
void AppendFromOutside(Engine &engine) {
  corewal::AppendFuture future =
      Must("append", engine.Append(ShardId{0}, Bytes("future")));
  Must("valid", future.valid());
  Must("post", engine.Post(ShardId{0}, Bytes("post"),
                           {.type = corewal::RecordType{3}}));
  std::atomic<bool> called = false;
  Must("callback", engine.Append(ShardId{0}, Bytes("callback"), {},
                                 [&](absl::StatusOr<Lsn> lsn) {
                                   called = lsn.ok();
                                   called.notify_one();
                                 }));
  Must("wait", future.WaitFor(absl::Minutes(1)).status());
  called.wait(false);
  const absl::Span<const std::byte> several[] = {Bytes("batch 1"),
                                                 Bytes("batch 2")};
  std::stop_source never;
  future = Must("batch", engine.AppendBatch(ShardId{0}, several));
  const Lsn lsn = Must("wait", future.Wait(never.get_token()));
  Must("ready", future.ready() && engine.durable_lsn(ShardId{0}) > lsn);
#ifdef __cpp_impl_coroutine
  std::atomic<bool> done = false;
  AppendAndAwait(engine, &done);
  done.wait(false);
#else
  Must("append", engine.Append(ShardId{0}, Bytes("awaited"))->Wait().status());
#endif
}

void OverShards(Engine &engine) {
  const corewal::AtomicPart parts[] = {{ShardId{0}, Bytes("debit")},
                                       {ShardId{1}, Bytes("credit")}};
  Must("atomic",
       Must("atomic", engine.AppendAtomically(parts)).Wait().status());
  Must("epoch", engine.AdvanceEpoch().status());
  const corewal::Epoch epoch =
      Must("barrier", engine.Barrier(absl::Minutes(1)));
  Must("durable epoch", engine.durable_epoch() >= epoch);
  Must("epochs", engine.epoch_status());
  const Lsn lsn = engine.durable_lsn(ShardId{1});
  Must("checkpoint", engine.Checkpoint(ShardId{1}, lsn, Bytes("note")));
  Must("cursor", engine.SetCursor(ShardId{1}, "reader", lsn));
  Must("cursor", engine.SetCursor(ShardId{1}, "gone", lsn));
  Must("cursor", engine.RemoveCursor(ShardId{1}, "gone"));
  Must("cursors", Must("cursors", engine.cursors(ShardId{1})).size() == 1);
  Must("truncate", engine.TruncateBefore(ShardId{1}, lsn));
}

Texts Follow(const Engine &engine) {
  auto subscription = Must("subscribe", engine.Subscribe(ShardId{0}));
  Texts records;
  corewal::RecordView record;
  while (subscription->position() < engine.durable_lsn(ShardId{0})) {
    if (Must("next", subscription->Next(&record))) {
      records.push_back(Text(record.payload));
    } else {
      subscription->WaitForMore(absl::Seconds(1));
    }
  }
  Must("oldest", subscription->oldest() <= subscription->position());
  return records;
}

// From the thread that runs the shard; the second without a copy.
void AppendAsHost(Engine &engine) {
  corewal::Shard &shard = *Must("attach", engine.AttachShard(ShardId{0}));
  Must("notify_fd", Must("notify_fd", shard.notify_fd()) >= 0);
  Must("append", shard.Append(Bytes("host")).status());
  corewal::LogWriter &writer = shard.writer();
  const std::string_view text = "reserved";
  const auto place =
      Must("reserve", writer.Reserve(static_cast<uint32_t>(text.size())));
  std::copy_n(Bytes(text).data(), text.size(), place.data());
  const Lsn lsn = writer.Commit(static_cast<uint32_t>(text.size()));
  Must("poll", shard.Poll());
  Must("wait", shard.Wait(0));
  Must("durable", shard.WaitDurable());
  Must("durable", shard.durable_lsn() > lsn);
  Must("close", shard.Close());
}

Texts ReplayAll(const Engine &engine) {
  const auto replay = Must("replay", engine.Replay(ShardId{0}));
  Texts records;
  corewal::RecordView record;
  while (replay->Next(&record))
    records.push_back(Text(record.payload));
  Must("replay's end", replay->status());
  return records;
}

void LookAround(const Engine &engine) {
  const auto merged =
      Must("merged", engine.ReplayMerged(engine.recovered_epoch()));
  ShardId shard;
  corewal::RecordView record;
  size_t records = 0;
  while (merged->Next(&shard, &record))
    ++records;
  Must("merged's end", merged->status());
  Must("the cut has all but what came behind it", records == 8);
  Must("shards", engine.shards_on_disk().size() == 2);
  Must("checkpoint",
       Must("checkpoint", engine.recovered_checkpoint(ShardId{1})).note ==
           "note");
  Must("metrics", engine.metrics().ToPrometheus().find(
                      "corewal_records_total") != std::string::npos);
  Must("sync method", corewal::ParseSyncMethod("dsync").has_value());
  const corewal::ShardInfo info = engine.info(ShardId{0});
  Must("failure", info.failure);
  std::printf(
      "%s, %s, %s, p99 %llu ns\n", engine.uuid().ToString().c_str(),
      engine.recovered_end(ShardId{0}).ToString().c_str(),
      std::string(SyncMethodName(info.sync_method)).c_str(),
      static_cast<unsigned long long>(info.write_latency_ns.Percentile(0.99)));
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  EngineOptions options;
  options.directory = argv[1];
  options.shards = 2;
  options.shard.segment_bytes = 1 << 20;
  Texts expected = {"future",  "post",    "callback", "batch 1",
                    "batch 2", "awaited", "debit"};
  {
    auto engine = Must("open", Engine::Open(options));
    AppendFromOutside(*engine);
    OverShards(*engine);
    Must("followed", Follow(*engine) == expected);
    Must("close", engine->Close());
  }
  {
    options.threads = EngineOptions::Threads::kHost;
    options.shards = 1;
    auto engine = Must("open as host", Engine::Open(options));
    AppendAsHost(*engine);
    Must("close", engine->Close());
  }
  options.threads = EngineOptions::Threads::kEngine;
  options.shards = 2;
  auto engine = Must("open again", Engine::Open(options));
  expected.insert(expected.end(), {"host", "reserved"});
  Must("replayed", ReplayAll(*engine) == expected);
  LookAround(*engine);
  std::thread([&] {
    Must("post", engine->Post(ShardId{1}, Bytes("from a thread")));
  }).join();
  Must("close", engine->Close());
  return 0;
}
