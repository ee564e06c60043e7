#include "examples/rocksdb_log/log_comparison.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/histogram.h"
#include "base/status_macros.h"
#include "examples/common/median.h"
#include "examples/rocksdb_log/logged_rocksdb.h"

namespace {

using examples::Median;
using Clock = std::chrono::steady_clock;
using Writer = std::function<absl::Status(rocksdb::WriteBatch)>;

struct Turn {
  double writes_per_s = 0;
  double p50_us = 0, p99_us = 0;
};

struct Client {
  std::thread thread;
  corewal::Histogram latency_ns;
  absl::Status status;
};

void PutUntil(Clock::time_point end, uint64_t seed, const Writer& write, Client* client) {
  std::mt19937_64 random(seed);
  const std::string value(100, 'v');
  for (Clock::time_point now = Clock::now(); now < end && client->status.ok();) {
    rocksdb::WriteBatch batch;
    batch.Put(absl::StrFormat("%016x", random()), value);
    client->status = write(std::move(batch));
    const Clock::time_point begin = std::exchange(now, Clock::now());
    client->latency_ns.Record(static_cast<uint64_t>((now - begin).count()));
  }
}

absl::StatusOr<Turn> Run(const Writer& write, int clients, double seconds) {
  std::vector<Client> all(static_cast<size_t>(clients));
  const Clock::time_point begin = Clock::now();
  const auto length = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::max(seconds, 0.001)));
  std::random_device seed;
  for (Client& client : all) {
    client.thread = std::thread(PutUntil, begin + length, seed(), std::cref(write), &client);
  }
  auto latency_ns = std::make_unique<corewal::Histogram>();
  absl::Status status;
  for (Client& client : all) {
    client.thread.join();
    status.Update(client.status);
    latency_ns->Merge(client.latency_ns);
  }
  RETURN_IF_ERROR(status);
  const std::chrono::duration<double> took = Clock::now() - begin;
  return Turn{.writes_per_s = static_cast<double>(latency_ns->count()) / took.count(),
              .p50_us = static_cast<double>(latency_ns->Percentile(0.5)) / 1000,
              .p99_us = static_cast<double>(latency_ns->Percentile(0.99)) / 1000};
}

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenWithItsOwnLog(const std::string& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
  if (!status.ok()) return absl::UnavailableError(status.ToString());
  return std::unique_ptr<rocksdb::DB>(db);
}

Writer SyncWriter(rocksdb::DB* db) {
  return [db](rocksdb::WriteBatch batch) -> absl::Status {
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = db->Write(options, &batch);
    return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.ToString());
  };
}

double MedianOf(const std::vector<Turn>& turns, double Turn::*figure) {
  std::vector<double> values;
  values.reserve(turns.size());
  for (const Turn& turn : turns) values.push_back(turn.*figure);
  return Median(std::move(values));
}

void PrintRow(int clients, const std::array<std::vector<Turn>, 2>& turns, std::FILE* out) {
  std::fprintf(out, "%7d", clients);
  for (const std::vector<Turn>& way : turns) {
    std::fprintf(out, " | %9.0f %7.0f %7.0f", MedianOf(way, &Turn::writes_per_s),
                 MedianOf(way, &Turn::p50_us), MedianOf(way, &Turn::p99_us));
  }
  std::vector<double> ratios;
  for (size_t round = 0; round < turns[0].size(); ++round) {
    ratios.push_back(turns[0][round].writes_per_s / std::max(turns[1][round].writes_per_s, 1e-9));
  }
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  std::fprintf(out, " | %5.2f (%.2f .. %.2f)\n", Median(ratios), *low, *high);
}

}  // namespace

absl::Status CompareLogs(const LogComparisonOptions& options, std::FILE* out) {
  ASSIGN_OR_RETURN(const auto logged, LoggedRocksDb::Open(options.directory + "/corewal", {}));
  ASSIGN_OR_RETURN(const auto plain, OpenWithItsOwnLog(options.directory + "/rocksdb"));
  const std::array<Writer, 2> writers = {
      [&logged](rocksdb::WriteBatch batch) { return logged->Write(std::move(batch)); },
      SyncWriter(plain.get())};
  std::fprintf(out, "durable puts of 116 bytes, medians of %d rounds of %.1f s each, by turns\n",
               options.rounds, options.seconds);
  std::fprintf(out, "        |   corewal as its log       |   its own log, sync on     |\n");
  std::fprintf(out, "clients |  writes/s  p50 us  p99 us |  writes/s  p50 us  p99 us | ratio\n");
  for (const int clients : {1, 16, 64}) {
    std::array<std::vector<Turn>, 2> turns;
    for (int round = 0; round < options.rounds; ++round) {
      for (int i = 0; i < 2; ++i) {
        const size_t way = static_cast<size_t>((i + round) % 2);
        ASSIGN_OR_RETURN(const Turn turn, Run(writers[way], clients, options.seconds));
        turns[way].push_back(turn);
      }
    }
    PrintRow(clients, turns, out);
    std::fflush(out);
  }
  return absl::OkStatus();
}
