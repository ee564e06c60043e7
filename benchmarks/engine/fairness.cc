// fairness: what a client with large records does to one with small ones on the same shard.
//
//   fairness [DIRECTORY [ROUNDS [MILLISECONDS]]]      on the disk to be measured; defaults: . 10
//   300
//
// Each round has five phases of that length, so that a disturbance of the machine meets all of
// them: small alone, large alone, and small beside large with 1, 4 and 16 large records in flight.
// The small client appends 100 bytes and waits until they are durable, again and again; the large
// one has records of 1 MiB.
//
//   ratio = p99(small beside large) / (3 x p99(small alone) + p50(large alone))         target: <=
//   1
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "benchmarks/engine/bench_engine.h"

namespace corewal {
namespace {

constexpr ShardId kShard{0};
constexpr size_t kSmallBytes = 100;
constexpr size_t kLargeBytes = 1u << 20;
constexpr uint32_t kTruncateEvery = 32;  // large records, so that segments are used again
constexpr uint32_t kWarmUp = 512;        // large records: until segments are recycled, not made
constexpr uint32_t kInFlight[] = {1, 4, 16};
constexpr SendOptions kPatient = {.wait_for_room = absl::Seconds(60)};

MonotonicNs Now() { return Clock::System().Now(); }

// Which one disturbed round does not move.
double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// One record after the other until `end`.
void RunSmall(Engine& engine, MonotonicNs end, Histogram* latency_ns) {
  const std::vector<std::byte> record(kSmallBytes, std::byte{'s'});
  for (MonotonicNs begin = Now(); begin < end; begin = Now()) {
    absl::StatusOr<AppendFuture> sent = engine.Append(kShard, record, kPatient);
    DieUnless(sent.status());
    DieUnless(sent->Wait().status());
    latency_ns->Record(static_cast<uint64_t>(Now() - begin));
  }
}

struct LargeRun {
  Histogram latency_ns;  // from the call of Append to the answer
  uint64_t records = 0;
};

// `in_flight` records unanswered at any time, until `end` or for so many records.
void RunLarge(Engine& engine, uint32_t in_flight, MonotonicNs end, LargeRun* run,
              uint64_t records_max = UINT64_MAX) {
  struct Sent {
    AppendFuture future;
    MonotonicNs begin;
  };
  const std::vector<std::byte> record(kLargeBytes, std::byte{'L'});
  std::deque<Sent> sent;
  for (;;) {
    const MonotonicNs begin = Now();
    const bool over = begin >= end || run->records + sent.size() >= records_max;
    if (over && sent.empty()) return;
    if (!over && sent.size() < in_flight) {
      absl::StatusOr<AppendFuture> future = engine.Append(kShard, record, kPatient);
      DieUnless(future.status());
      sent.push_back({*std::move(future), begin});
      continue;
    }
    DieUnless(sent.front().future.Wait().status());
    run->latency_ns.Record(static_cast<uint64_t>(Now() - sent.front().begin));
    sent.pop_front();
    if (++run->records % kTruncateEvery == 0) {
      DieUnless(engine.TruncateBefore(kShard, engine.durable_lsn(kShard)));
    }
  }
}

struct Mixed {
  uint32_t in_flight = 0;
  Histogram small_ns;
  std::vector<double> p99_us;  // by round
  LargeRun large;
};

class Fairness {
 public:
  Fairness(Engine& engine, MonotonicNs phase_ns) : engine_(engine), phase_ns_(phase_ns) {
    for (const uint32_t in_flight : kInFlight) mixed_.push_back({.in_flight = in_flight});
  }

  void WarmUp() {
    LargeRun ignored;
    RunLarge(engine_, 4, kNever, &ignored, kWarmUp);
  }

  void RunRound() {
    Histogram alone;
    RunSmall(engine_, Now() + phase_ns_, &alone);
    alone_p99_us_.push_back(Us(alone, 0.99));
    alone_.Merge(alone);
    RunLarge(engine_, 1, Now() + phase_ns_, &large_);
    for (Mixed& mixed : mixed_) {
      const MonotonicNs end = Now() + phase_ns_;
      std::thread large([&] { RunLarge(engine_, mixed.in_flight, end, &mixed.large); });
      Histogram small;
      RunSmall(engine_, end, &small);
      large.join();
      mixed.p99_us.push_back(Us(small, 0.99));
      mixed.small_ns.Merge(small);
    }
  }

  // Whether the target is reached.
  bool Print(uint32_t rounds) const {
    const double seconds = static_cast<double>(rounds) * static_cast<double>(phase_ns_) / 1e9;
    const double large_us = Us(large_.latency_ns, 0.5);
    Line("100 bytes alone", alone_, Median(alone_p99_us_));
    std::printf("%-38s p50 %8.0f us  p99 %8.0f us                        %8.0f MiB/s\n",
                "1 MiB alone, one at a time", large_us, Us(large_.latency_ns, 0.99),
                static_cast<double>(large_.records) / seconds);
    bool reached = true;
    for (const Mixed& mixed : mixed_) {
      Line("100 bytes beside 1 MiB, " + std::to_string(mixed.in_flight) + " in flight",
           mixed.small_ns, Median(mixed.p99_us));
      const double all = Us(mixed.small_ns, 0.99) / (3 * Us(alone_, 0.99) + large_us);
      const double median = Median(mixed.p99_us) / (3 * Median(alone_p99_us_) + large_us);
      std::printf("%38s ratio %6.2f, of medians %.2f; %.0f MiB/s of large ones\n", "", all, median,
                  static_cast<double>(mixed.large.records) / seconds);
      reached &= median <= 1;
    }
    return reached;
  }

 private:
  static double Us(const Histogram& ns, double fraction) {
    return static_cast<double>(ns.Percentile(fraction)) / 1000;
  }
  static void Line(const std::string& what, const Histogram& ns, double p99_median_us) {
    std::printf("%-38s p50 %8.0f us  p99 %8.0f us  (median of rounds %8.0f)  %8llu records\n",
                what.c_str(), Us(ns, 0.5), Us(ns, 0.99), p99_median_us,
                static_cast<unsigned long long>(ns.count()));
  }

  Engine& engine_;
  const MonotonicNs phase_ns_;
  Histogram alone_;
  std::vector<double> alone_p99_us_;
  LargeRun large_;
  std::vector<Mixed> mixed_;
};

int Main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : ".";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 10;
  const int phase_ms = argc > 3 ? std::atoi(argv[3]) : 300;
  if (rounds < 1 || phase_ms < 1) {
    std::fprintf(stderr, "usage: fairness [DIRECTORY [ROUNDS [MILLISECONDS [LIMIT [posix]]]]]\n");
    return 1;
  }
  ShardOptions shard;
  if (argc > 4) shard.large_bytes_max = std::strtoull(argv[4], nullptr, 10);
  if (argc > 5 && std::string(argv[5]) == "posix") shard.io.backend = IoBackend::kPosix;
  BenchEngine bench(directory, shard);
  Fairness fairness(bench.engine(), MonotonicNs{phase_ms} * 1'000'000);
  fairness.WarmUp();
  for (int round = 0; round < rounds; ++round) fairness.RunRound();
  bench.PrintWhere();
  return fairness.Print(static_cast<uint32_t>(rounds)) ? 0 : 2;
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) { return corewal::Main(argc, argv); }
