#include "tools/tail_readers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "io_backend/storage_io_factory.h"
#include "tools/log_check.h"
#include "wal/log_follower.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr MonotonicNs kStepNs = 1'000'000;
// Readers that read nothing for so long, with records left, never will.
constexpr MonotonicNs kPatienceNs = 20'000'000'000;

MonotonicNs Now() { return Clock::System().Now(); }

}  // namespace

void TailReaders::Result::Merge(const Result& other) {
  records += other.records;
  payload_bytes += other.payload_bytes;
  truncations += other.truncations;
  lag_bytes_max = std::max(lag_bytes_max, other.lag_bytes_max);
  errors += other.errors;
  if (first_error.empty()) first_error = other.first_error;
  status.Update(other.status);
}

TailReaders::TailReaders(Engine* engine, const BenchOptions& options)
    : engine_(*engine), options_(options) {
  for (uint32_t i = 0; i < options.engine.shards; ++i) {
    readers_.push_back(std::make_unique<Reader>());
    Reader* const reader = readers_.back().get();
    reader->shard = ShardId{i};
    reader->thread = std::thread([this, reader] { ThreadMain(reader); });
  }
}

TailReaders::~TailReaders() { Stop(); }

void TailReaders::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  for (const auto& reader : readers_) {
    if (reader->thread.joinable()) reader->thread.join();
  }
}

uint64_t TailReaders::records_so_far() const {
  uint64_t sum = 0;
  for (const auto& reader : readers_) sum += reader->records.load(std::memory_order_relaxed);
  return sum;
}

void TailReaders::ThreadMain(Reader* reader) {
  reader->result.status = Follow(reader);
  reader->ended.store(true, std::memory_order_release);
}

absl::Status TailReaders::Follow(Reader* reader) {
  const ShardId shard = reader->shard;
  ASSIGN_OR_RETURN(const std::unique_ptr<StorageIo> io, CreateStorageIo({}));
  LogFollowerOptions follow;
  follow.durable.lsn = [this, shard] { return engine_.durable_lsn(shard); };
  follow.direct = options_.engine.shard.direct;
  follow.user_only = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<LogFollower> follower,
                   LogFollower::Open(FileSystem::Host(), *io,
                                     ShardDirectory(options_.engine.directory, shard), follow));
  const RecordCheck right = MadeRecordCheck(shard, options_.lengths, 1);
  Result& result = reader->result;
  Lsn truncated;
  RecordView record;
  while (!stop_.load(std::memory_order_relaxed)) {
    const FollowEvent event = follower->Next(&record);
    if (event == FollowEvent::kRecord) {
      ++result.records;
      result.payload_bytes += record.payload.size();
      if (!right(result.records, record.payload) && result.errors++ == 0) {
        result.first_error =
            absl::StrCat("shard ", ToIndex(shard),
                         ": the tailing reader got as "
                         "record ",
                         result.records, ", at lsn ", record.lsn.value(), ", something else");
      }
      if (result.records % 64 != 0) continue;
    } else if (event != FollowEvent::kCaughtUp) {
      return follower->status();
    }
    reader->records.store(result.records, std::memory_order_relaxed);
    const Lsn read = follower->position();
    const Lsn durable = engine_.durable_lsn(shard);
    if (durable > read) result.lag_bytes_max = std::max(result.lag_bytes_max, durable - read);
    if (read > truncated + 2 * options_.engine.shard.segment_bytes) {
      const absl::Status done = engine_.TruncateBefore(shard, read);
      if (done.ok()) {
        truncated = read;
        ++result.truncations;
      } else if (!absl::IsResourceExhausted(done)) {  // a full mailbox: with the next records
        return done;
      }
    }
    if (event == FollowEvent::kCaughtUp) Clock::System().SleepUntil(Now() + kStepNs);
  }
  return absl::OkStatus();
}

void TailReaders::WaitFor(uint64_t records) const {
  const auto all_ended = [this] {
    return std::all_of(readers_.begin(), readers_.end(),
                       [](const auto& r) { return r->ended.load(std::memory_order_acquire); });
  };
  uint64_t seen = records_so_far();
  MonotonicNs moved = Now();
  while (seen < records && !all_ended() && Now() < moved + kPatienceNs) {
    Clock::System().SleepUntil(Now() + kStepNs);
    const uint64_t now = records_so_far();
    if (now != seen) moved = Now();
    seen = now;
  }
}

TailReaders::Result TailReaders::Finish(uint64_t records) {
  WaitFor(records);
  Stop();
  Result all;
  for (const auto& reader : readers_) all.Merge(reader->result);
  if (all.status.ok() && all.records != records && all.errors++ == 0) {
    all.first_error = absl::StrCat("the tailing reader got ", all.records, " of ", records,
                                   " records that were acknowledged");
  }
  return all;
}

}  // namespace corewal
