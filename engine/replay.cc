#include "engine/replay.h"

#include <algorithm>

#include "engine/atomic_record.h"
#include "wal/control_record.h"

namespace corewal {

bool ShardReplay::Next(RecordView* record) {
  std::optional<Epoch> barrier;
  do {
    barrier.reset();
    if (!NextOrBarrier(record, &barrier)) return false;
  } while (barrier.has_value());
  return true;
}

bool ShardReplay::NextOrBarrier(RecordView* record, std::optional<Epoch>* barrier) {
  while (reader_->Next(record)) {
    if (__builtin_expect(IsUserType(record->type), 1)) return true;
    if (record->type == RecordType::kEpochBarrier) {
      const auto cut = EpochBarrierRecord::Decode(record->payload);
      if (!cut.has_value()) continue;
      *barrier = cut->epoch;
      return true;
    }
    if (hidden_->count({ToIndex(shard_), record->lsn}) > 0) continue;
    if (UnwrapAtomic(record)) return true;
  }
  return false;
}

bool MergedReplay::Next(ShardId* shard, RecordView* record) {
  for (;;) {
    if (current_ == streams_.size() && !NextStage()) return false;
    Stream& stream = streams_[current_];
    std::optional<Epoch> barrier;
    if (stream.done || stream.stopped) {
      ++current_;
    } else if (!stream.replay->NextOrBarrier(record, &barrier)) {
      stream.done = true;
      status_.Update(stream.replay->status());
      if (!status_.ok()) return false;
    } else if (barrier.has_value()) {
      stream.stopped = true;
      stream.stopped_at = *barrier;
      stream.done = *barrier >= up_to_;
    } else {
      *shard = stream.shard;
      return true;
    }
  }
}

// Every shard has come to a barrier or to its end: those with the lowest one go on.
bool MergedReplay::NextStage() {
  if (!status_.ok()) return false;
  std::optional<Epoch> lowest;
  for (const Stream& stream : streams_) {
    if (stream.done) continue;
    lowest = lowest.has_value() ? std::min(*lowest, stream.stopped_at) : stream.stopped_at;
  }
  if (!lowest.has_value()) return false;
  for (Stream& stream : streams_) {
    if (!stream.done && stream.stopped_at == *lowest) stream.stopped = false;
  }
  current_ = 0;
  return true;
}

}  // namespace corewal
