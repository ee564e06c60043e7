#include "tools/shard_setup.h"

#include "base/clock.h"
#include "base/status_macros.h"
#include "tools/interrupt.h"

namespace corewal {
namespace {

constexpr MonotonicNs kStepNs = 5'000'000;
// A disk that prepares not one segment in this time is as good as full.
constexpr MonotonicNs kPatienceNs = 10'000'000'000;

MonotonicNs Now() { return Clock::System().Now(); }

// Whether the count still moves.
class Patience {
 public:
  bool Lasts(uint64_t count) {
    if (count != count_ || since_ == 0) {
      count_ = count;
      since_ = Now();
    }
    return !Interrupted() && Now() < since_ + kPatienceNs;
  }

 private:
  uint64_t count_ = 0;
  MonotonicNs since_ = 0;
};

}  // namespace

Shard* AttachAndPrepare(Engine& engine, ShardId id, uint64_t segments, SliceResult* result) {
  const absl::StatusOr<Shard*> shard = engine.AttachShard(id);
  if (!shard.ok()) {
    result->status = shard.status();
    return nullptr;
  }
  Patience patience;
  const LogWriter& writer = (*shard)->writer();
  while (result->status.ok() && writer.stats().segments_ready < segments &&
         writer.preparing_stall().ok() && patience.Lasts(writer.stats().segments_ready)) {
    result->status = (*shard)->Wait(Now() + kStepNs);
  }
  result->counters = LogCounters::Of(writer.stats());
  return *shard;
}

void CloseAttached(Shard* shard, SliceResult* result) {
  if (shard == nullptr) return;
  result->counters = LogCounters::Of(shard->writer().stats());
  result->status = shard->Close();
}

absl::Status PrepareEngineShard(const Engine& engine, ShardId shard, uint64_t segments) {
  Patience patience;
  for (ShardInfo info = engine.info(shard);
       info.writer.segments_ready < segments && info.stall.ok() &&
       patience.Lasts(info.writer.segments_ready);
       info = engine.info(shard)) {
    RETURN_IF_ERROR(info.failure);
    Clock::System().SleepUntil(Now() + kStepNs);
  }
  return absl::OkStatus();
}

}  // namespace corewal
