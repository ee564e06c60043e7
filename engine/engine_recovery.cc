#include "engine/engine_recovery.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/control_record.h"
#include "wal/log_reader.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

using Visit = std::function<void(ShardId, const RecordView&)>;

// Calls `visit` with every record of corewal's own in the shard from `from` on.
absl::Status ForEachControl(const RecoveredEngine& engine, StorageIo& io, uint32_t shard, Lsn from,
                            const Visit& visit) {
  const RecoveredLog& log = engine.logs->at(shard);
  if (log.live.empty() || from >= log.end.lsn) return absl::OkStatus();
  LogReaderOptions options;
  options.from = from;
  options.to = log.end.lsn;
  options.direct = engine.direct;
  const std::string directory = ShardDirectory(engine.directory, ShardId{shard});
  ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> reader,
                   LogReader::Open(*engine.files, io, directory, options));
  RecordView record;
  while (reader->Next(&record)) {
    if (!IsUserType(record.type)) visit(ShardId{shard}, record);
  }
  return reader->end().ToStatus();
}

struct Home {
  RecordPlace place;
  std::vector<AtomicHomeRecord::Part> parts;
};

}  // namespace

absl::StatusOr<AtomicFindings> FindIncompleteBatches(const RecoveredEngine& engine, StorageIo& io,
                                                     const EngineState& state) {
  AtomicFindings findings;
  std::map<AtomicBatchId, Home> homes;
  std::map<RecordPlace, AtomicBatchId> parts;
  const Visit visit = [&](ShardId shard, const RecordView& record) {
    const RecordPlace place = {ToIndex(shard), record.lsn};
    if (record.type == RecordType::kAtomicPart) {
      const auto part = AtomicPartRecord::Decode(record.payload);
      if (part.has_value()) parts[place] = part->id;
    } else if (record.type == RecordType::kAtomicHome) {
      auto home = AtomicHomeRecord::Decode(record.payload);
      if (home.has_value()) homes[home->id] = {place, std::move(home->parts)};
    }
  };
  for (const auto& [shard, log] : *engine.logs) {
    RETURN_IF_ERROR(ForEachControl(engine, io, shard, state.floor(shard), visit));
  }
  findings.records = homes.size() + parts.size();
  if (Mutated(Mutation::kIncompleteBatchReplayed)) return findings;

  std::set<AtomicBatchId> complete;
  for (const auto& entry : homes) {
    const auto& id = entry.first;
    const auto& home = entry.second;
    const bool all = std::all_of(home.parts.begin(), home.parts.end(), [&](const auto& part) {
      const RecordPlace place = {ToIndex(part.shard), part.lsn};
      if (part.lsn < state.floor(place.first)) return true;  // decided before: it is there
      if (Mutated(Mutation::kPartPlaceNotChecked)) {
        const auto log = engine.logs->find(place.first);
        return log != engine.logs->end() && part.lsn < log->second.end.lsn;
      }
      const auto found = parts.find(place);
      return found != parts.end() && found->second == id;
    });
    if (all) {
      complete.insert(id);
    } else {
      findings.hidden.insert(home.place);
    }
  }
  for (const auto& [place, id] : parts) {
    if (complete.count(id) == 0) findings.hidden.insert(place);
  }
  return findings;
}

Epoch LastEpochSeen(const std::map<uint32_t, RecoveredLog>& logs, const EngineState& state) {
  Epoch last;
  if (state.epochs.has_value()) last = std::max(state.epochs->complete, state.epochs->void_up_to);
  for (const auto& [shard, log] : logs) last = std::max(last, log.last_epoch);
  return last;
}

Epoch LastCompleteEpoch(const std::map<uint32_t, RecoveredLog>& logs, const EngineState& state) {
  if (!state.epochs.has_value()) return Epoch();
  Epoch all{UINT64_MAX};
  for (uint32_t shard = 0; shard < state.epochs->shards; ++shard) {
    const auto found = logs.find(shard);
    all = std::min(all, found == logs.end() ? Epoch() : found->second.last_epoch);
  }
  const Epoch void_up_to = Mutated(Mutation::kVoidEpochReused) ? Epoch() : state.epochs->void_up_to;
  return all > void_up_to ? std::max(all, state.epochs->complete) : state.epochs->complete;
}

// A segment header carries the epoch of the last barrier before the segment.
bool BeginsBeyondCut(const RecoveredLog& log, Epoch epoch) {
  return !log.live.empty() && log.live.front().header.epoch >= epoch;
}

absl::StatusOr<std::set<RecordPlace>> PartsBeyondCut(const RecoveredEngine& engine, StorageIo& io,
                                                     Epoch epoch) {
  std::set<RecordPlace> beyond;
  for (const auto& [shard, log] : *engine.logs) {
    bool behind_cut = BeginsBeyondCut(log, epoch);
    const Visit visit = [&](ShardId, const RecordView& record) {
      if (record.type == RecordType::kEpochBarrier) {
        const auto barrier = EpochBarrierRecord::Decode(record.payload);
        behind_cut |= barrier.has_value() && barrier->epoch >= epoch;
      } else if (record.type == RecordType::kAtomicHome && behind_cut) {
        const auto home = AtomicHomeRecord::Decode(record.payload);
        if (!home.has_value()) return;
        for (const auto& part : home->parts) beyond.insert({ToIndex(part.shard), part.lsn});
      }
    };
    RETURN_IF_ERROR(ForEachControl(engine, io, shard, Lsn(), visit));
  }
  return beyond;
}

}  // namespace corewal
