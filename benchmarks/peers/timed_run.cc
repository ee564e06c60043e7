#include "benchmarks/peers/timed_run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "benchmarks/peers/io_counters.h"
#include "benchmarks/peers/record_maker.h"
#include "tools/cpu_time.h"

namespace corewal::peers {
namespace {

enum class Phase : uint8_t { kHold, kWarm, kMeasure, kStop, kRelease };

void SleepFor(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// All that counts upwards, at one moment: the clock is nearest to what is measured.
struct Reading {
  IoCounters io;
  ServerUse server;
  CpuTime cpu;
  MonotonicNs at = 0;

  static Reading Before(Peer& peer) {
    Reading reading;
    reading.io = ReadIoCounters();
    reading.server = peer.Server();
    reading.cpu = CpuTime::Now();
    reading.at = Clock::System().Now();
    return reading;
  }
  static Reading After(Peer& peer) {
    Reading reading;
    reading.at = Clock::System().Now();
    reading.cpu = CpuTime::Now();
    reading.server = peer.Server();
    reading.io = ReadIoCounters();
    return reading;
  }
};

class TimedRun {
 public:
  TimedRun(const RunConfig& config, Peer& peer)
      : config_(config), peer_(peer), counts_(static_cast<size_t>(config.clients)) {}

  RunResult Run();

 private:
  struct Count {
    uint64_t records = 0;
    Histogram latency_ns;
  };
  void RunClient(int id);
  void Commits(Client& client, RecordMaker& maker, Count* count);
  void Appends(Client& client, RecordMaker& maker, Count* count);
  RunResult ResultOf(const Reading& begin, const Reading& end) const;

  const RunConfig& config_;
  Peer& peer_;
  std::vector<Count> counts_;  // each is its client's until that has ended
  std::atomic<Phase> phase_ = Phase::kHold;
  std::atomic<int> ready_ = 0;
  std::atomic<int> finished_ = 0;
};

RunResult TimedRun::Run() {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(config_.clients));
  for (int id = 0; id < config_.clients; ++id) threads.emplace_back([this, id] { RunClient(id); });
  while (ready_.load() < config_.clients) SleepFor(0.001);
  if (config_.commit()) {
    phase_ = Phase::kWarm;
    SleepFor(std::min(0.3, config_.seconds / 4));
  }
  const Reading begin = Reading::Before(peer_);
  phase_ = Phase::kMeasure;
  SleepFor(config_.seconds);
  // Async: the clock stops when all is durable, and before any client goes away.
  if (config_.async()) {
    phase_ = Phase::kStop;
    while (finished_.load() < config_.clients) SleepFor(0.0005);
  }
  const Reading end = Reading::After(peer_);
  phase_ = config_.async() ? Phase::kRelease : Phase::kStop;
  for (std::thread& thread : threads) thread.join();
  return ResultOf(begin, end);
}

void TimedRun::RunClient(int id) {
  const std::unique_ptr<Client> client = peer_.NewClient(id);
  RecordMaker maker(config_.record_bytes, id);
  Count& count = counts_[static_cast<size_t>(id)];
  ready_.fetch_add(1);
  while (phase_.load() == Phase::kHold) SleepFor(0.001);
  if (config_.commit()) {
    Commits(*client, maker, &count);
    return;
  }
  Appends(*client, maker, &count);
  finished_.fetch_add(1);
  while (phase_.load() != Phase::kRelease) SleepFor(0.0005);
}

void TimedRun::Commits(Client& client, RecordMaker& maker, Count* count) {
  for (;;) {
    const Phase phase = phase_.load(std::memory_order_relaxed);
    if (phase == Phase::kStop) break;
    const absl::string_view record = maker.Next();
    const MonotonicNs begin = Clock::System().Now();
    client.Commit(record);
    if (phase == Phase::kMeasure) {
      count->latency_ns.Record(static_cast<uint64_t>(Clock::System().Now() - begin));
    }
  }
  count->records = count->latency_ns.count();
}

void TimedRun::Appends(Client& client, RecordMaker& maker, Count* count) {
  size_t pending_bytes = 0;
  while (phase_.load(std::memory_order_relaxed) < Phase::kStop) {
    client.Append(maker.Next());
    ++count->records;
    pending_bytes += config_.record_bytes;
    if (pending_bytes >= kSyncEveryBytes) {
      client.Sync();
      pending_bytes = 0;
    }
  }
  client.Finish();
}

RunResult TimedRun::ResultOf(const Reading& begin, const Reading& end) const {
  RunResult result;
  result.seconds = static_cast<double>(end.at - begin.at) * 1e-9;
  for (const Count& count : counts_) {
    result.records += count.records;
    result.latency_ns.Merge(count.latency_ns);
  }
  const CpuTime cpu = end.cpu - begin.cpu;
  result.cpu_s = cpu.process_s + end.server.cpu_s - begin.server.cpu_s;
  result.machine_s = cpu.machine_s;
  result.io = IoCounters{end.io.syncs - begin.io.syncs,
                         end.io.writes - begin.io.writes + end.server.writes - begin.server.writes,
                         end.io.bytes_written - begin.io.bytes_written + end.server.bytes_written -
                             begin.server.bytes_written};
  return result;
}

}  // namespace

RunResult RunTimed(const RunConfig& config, Peer& peer) { return TimedRun(config, peer).Run(); }

}  // namespace corewal::peers
