// wake_up: how long an append takes from its call to the shard's thread, when that was asleep.
//
//   wake_up [DIRECTORY [SAMPLES]]      on any disk: no sample waits for it; defaults: . 200
//
// The record is answered as soon as it is appended (Durability::kAppended), by callback on the
// shard's thread, so the time ends when that thread has taken it in. Between two samples the shard
// writes what it has, seals its log, and sleeps for a while. The floor is what the kernel needs to
// wake a thread that slept as long: futex(2) between two threads, in turn with the samples.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/histogram.h"
#include "benchmarks/engine/bench_engine.h"

namespace corewal {
namespace {

constexpr ShardId kShard{0};
constexpr MonotonicNs kIdleNs = 100'000'000;  // the log is sealed after 20 ms
constexpr MonotonicNs kSoonNs = 3'000'000;
constexpr MonotonicNs kPollNs = 200'000;

MonotonicNs Now() { return Clock::System().Now(); }
void Sleep(MonotonicNs ns) { Clock::System().SleepUntil(Now() + ns); }

// A thread that does nothing but wake up and say when.
class Sleeper {
 public:
  Sleeper() : thread_([this] { Run(); }) {}
  ~Sleeper() {
    over_.store(true, std::memory_order_release);
    Wake();
    thread_.join();
  }
  uint64_t WakeUpNs() {
    awake_at_.store(0, std::memory_order_release);
    const MonotonicNs begin = Now();
    Wake();
    MonotonicNs awake_at = 0;
    while ((awake_at = awake_at_.load(std::memory_order_acquire)) == 0) Sleep(kPollNs);
    return static_cast<uint64_t>(awake_at - begin);
  }

 private:
  void Wake() {
    word_.fetch_add(1, std::memory_order_release);
    FutexWake(word_, 1);
  }
  void Run() {
    for (uint32_t seen = 0; !over_.load(std::memory_order_acquire);) {
      FutexWait(word_, seen);
      const uint32_t now = word_.load(std::memory_order_acquire);
      if (now == seen) continue;
      seen = now;
      awake_at_.store(Now(), std::memory_order_release);
    }
  }

  std::atomic<uint32_t> word_{0};
  std::atomic<MonotonicNs> awake_at_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

uint64_t TakenInNs(Engine& engine) {
  static constexpr std::byte kRecord[100] = {};
  std::atomic<MonotonicNs> taken_at{0};
  const MonotonicNs begin = Now();
  DieUnless(engine.Append(kShard, kRecord, {.durability = Durability::kAppended},
                          [&taken_at](const absl::StatusOr<Lsn>& lsn) {
                            DieUnless(lsn.status());
                            taken_at.store(Now(), std::memory_order_release);
                          }));
  MonotonicNs at = 0;
  while ((at = taken_at.load(std::memory_order_acquire)) == 0) Sleep(kPollNs);
  return static_cast<uint64_t>(at - begin);
}

void Print(const char* what, const Histogram& ns) {
  const auto us = [&ns](double fraction) {
    return static_cast<double>(ns.Percentile(fraction)) / 1000;
  };
  std::printf("%-52s median %7.1f us  p99 %7.1f us\n", what, us(0.5), us(0.99));
}

int Main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : ".";
  const int samples = argc > 2 ? std::atoi(argv[2]) : 200;
  if (samples < 1) {
    std::fprintf(stderr, "usage: wake_up [DIRECTORY [SAMPLES]]\n");
    return 1;
  }
  BenchEngine bench(directory);
  Sleeper sleeper;
  Histogram engine_ns, futex_ns, engine_soon_ns, futex_soon_ns;
  for (int i = 0; i < samples; ++i) {
    Sleep(kIdleNs);
    engine_ns.Record(TakenInNs(bench.engine()));
    // Once more while the shard waits for the time of its seal.
    Sleep(kSoonNs);
    engine_soon_ns.Record(TakenInNs(bench.engine()));
    Sleep(kIdleNs);
    futex_ns.Record(sleeper.WakeUpNs());
    Sleep(kSoonNs);
    futex_soon_ns.Record(sleeper.WakeUpNs());
  }
  bench.PrintWhere();
  Print("append to taken in, after 100 ms of nothing", engine_ns);
  Print("a bare futex, after 100 ms of sleep", futex_ns);
  Print("append to taken in, 3 ms after the one before", engine_soon_ns);
  Print("a bare futex, 3 ms after the one before", futex_soon_ns);
  return 0;
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::Main(argc, argv); }
