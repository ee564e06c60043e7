// engine/replay.h: the records that had survived when the engine was opened: of one shard, or of
// all, epoch by epoch.
//
//   while (replay->Next(&record)) Apply(record.payload);
//   RETURN_IF_ERROR(replay->status());
//
// Hands out the user's records only, with the user's types; those of an atomic batch as the records
// that they carry, and not at all if the batch is not complete.
// Blocking reads on the caller's thread, which is to stay the same one. Memory: a few buffers for
// each shard that is being read, plus one record.
#ifndef COREWAL_ENGINE_REPLAY_H_
#define COREWAL_ENGINE_REPLAY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "engine/record_place.h"
#include "io_backend/storage_io.h"
#include "wal/log_reader.h"
#include "wal/lsn.h"

namespace corewal {

class ShardReplay {
 public:
  // False: no more; status() tells whether the end is a good one.
  bool Next(RecordView* record);
  // OK: all that survived was handed out. DataLoss: damage, with file and offset.
  absl::Status status() const { return reader_->end().ToStatus(); }
  const LogReader& reader() const { return *reader_; }

 private:
  friend class Engine;
  friend class MergedReplay;
  ShardReplay(std::unique_ptr<StorageIo> io, std::unique_ptr<LogReader> reader,
              std::shared_ptr<const std::set<RecordPlace>> hidden, ShardId shard)
      : io_(std::move(io)), reader_(std::move(reader)), hidden_(std::move(hidden)), shard_(shard) {}
  // As Next, but also stops at an epoch barrier, with `barrier` set.
  bool NextOrBarrier(RecordView* record, std::optional<Epoch>* barrier);

  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogReader> reader_;
  std::shared_ptr<const std::set<RecordPlace>> hidden_;
  ShardId shard_;
};

// All shards up to a cut: first what belongs to the first epoch, shard after shard, then what
// belongs to the next one. If a record is handed out, then before the end so is every record that
// had been accepted before it (ORDERING.md, "The cut is closed").
class MergedReplay {
 public:
  bool Next(ShardId* shard, RecordView* record);
  absl::Status status() const { return status_; }

 private:
  friend class Engine;
  struct Stream {
    ShardId shard{};
    std::unique_ptr<ShardReplay> replay;
    Epoch stopped_at;  // its next barrier, when it has come there
    bool stopped = false;
    bool done = false;
  };
  MergedReplay(std::vector<Stream> streams, Epoch up_to)
      : streams_(std::move(streams)), up_to_(up_to) {}
  bool NextStage();

  std::vector<Stream> streams_;
  const Epoch up_to_;
  size_t current_ = 0;
  absl::Status status_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_REPLAY_H_
