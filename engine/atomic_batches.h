// engine/atomic_batches.h: batches of records on several shards that count all or not at all.
//
//   Begin     the parts go into their shards' mailboxes
//   part appended, part appended, ...          each shard tells the LSN that it gave
//   the last of them: the home, which names them all, goes to its shard
//   home and parts durable, in any order       the last of them: the batch is answered
//
// No sync waits for another. Recovery counts a batch if its home is there and every part that it
// names (ORDERING.md has the proof). What must be kept for that is a closed cut, the floors: below
// its shard's floor a record is decided, and recovery need not look. Batches leave the list in the
// order they began, which keeps the floors closed.
//
// Invariants: a batch in the list has no record below its shard's floor; the floors only grow; a
// floor is at most its shard's durable LSN.
// Thread: any. The mutex is not on the path of ordinary appends.
// Failure: a record that could not be appended aborts its batch: what of it is in the logs is
// hidden for good. If a write or sync failed, only recovery can decide: below that batch's records
// the floors of their shards are held, and below the home of every later batch that has a part
// beyond a floor that is held. All else goes on.
#ifndef COREWAL_ENGINE_ATOMIC_BATCHES_H_
#define COREWAL_ENGINE_ATOMIC_BATCHES_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/append_state.h"
#include "engine/atomic_part.h"
#include "engine/control_queue.h"
#include "engine/engine_state.h"
#include "engine/epochs.h"
#include "engine/mailbox.h"
#include "wal/control_record.h"

namespace corewal {

class AtomicBatches;

struct AtomicBatch final : public ControlItem {
  bool Run(ShardCore& core) override;  // appends the home
  void Refuse(const absl::Status& why) override;

  AtomicBatches* owner = nullptr;
  AtomicBatchId id;
  ShardId home{};
  RecordType home_type = RecordType::kUser;
  std::string home_payload;
  std::vector<AtomicHomeRecord::Part> parts;  // LSN 0: not appended
  uint64_t home_epoch = 0;                    // open when the home went to its shard
  uint64_t home_after = 0;                    // the home comes behind this place of the mailbox

  // Under the owner's mutex.
  AppendState* state = nullptr;  // null: answered
  Lsn home_lsn;
  uint32_t parts_open = 0;    // neither appended nor refused
  uint32_t undurable = 0;     // appended and not durable
  bool home_settled = false;  // appended, or never to be
  bool undecided = false;     // a write or sync failed
  absl::Status cause;         // not OK: aborted
  std::list<std::unique_ptr<AtomicBatch>>::iterator place;
};

class AtomicBatches {
 public:
  // A shard, as batches see it.
  class Member {
   public:
    virtual absl::Status PushPart(const Mailbox::Message& message) = 0;
    virtual bool HasRoom(uint64_t bytes) const = 0;
    // Hands the home over; sets home_after. False: the shard is closed.
    virtual bool PushHome(AtomicBatch* batch) = 0;
    virtual Lsn durable_lsn() const = 0;

   protected:
    ~Member() = default;
  };
  static constexpr size_t kOutstandingMax = 4096;

  AtomicBatches(uint64_t opening, const Epochs& epochs) : opening_(opening), epochs_(epochs) {}
  void AddMember(Member* member) { members_.push_back(member); }

  // Takes over the reference to `state` on success. ResourceExhausted: a mailbox is full or too
  // many batches are outstanding; nothing will count; `full_shard` says whose room to wait for.
  absl::Status Begin(absl::Span<const AtomicPart> parts, AppendState* state, ShardId* full_shard);
  // Refuses new ones from now on.
  void Shut();
  // None is outstanding but those that a failure left undecided.
  bool idle() const;

  // By the shards.
  bool Aborted(const AtomicBatch& batch) const;
  void PartAppended(AtomicBatch* batch, uint32_t index, Lsn lsn);
  void PartRefused(AtomicBatch* batch, const absl::Status& why);
  void HomeAppended(AtomicBatch* batch, Lsn lsn);
  void HomeRefused(AtomicBatch* batch, const absl::Status& why);
  void RecordDurable(AtomicBatch* batch, const absl::Status& status);

  // Below these LSNs every atomic record is decided; `hidden` are those that do not count.
  void Floors(std::vector<Lsn>* floors, std::set<RecordPlace>* hidden) const;
  Lsn Floor(ShardId shard) const;
  bool Hidden(const RecordPlace& place) const;
  uint64_t begun() const;
  // A batch that a failure left undecided holds this shard's floor, and it stands there by now: no
  // record behind it is decided before the engine is reopened.
  bool Held(ShardId shard) const;
  // OK, or which shards' floors are held, and where, for what failure.
  absl::Status status() const;

 private:
  // Under one lock, so that on every shard parts have the order in which their batches began.
  absl::Status PushParts(absl::Span<const AtomicPart> parts, AppendState* state,
                         ShardId* full_shard, AtomicBatch** begun);
  void SendHome(AtomicBatch* batch);
  using List = std::list<std::unique_ptr<AtomicBatch>>;
  std::vector<Lsn> FloorsLocked() const;
  // Aborts; whom to tell, if nobody was told yet.
  AppendState* Abort(AtomicBatch* batch, const absl::Status& why);
  // After a change: retires what is done. Whom to tell of success.
  AppendState* Settle(AtomicBatch* batch, Lsn* home_lsn);
  void Retire(List::iterator at);
  void Hold(ShardId shard, Lsn lsn);

  const uint64_t opening_;
  const Epochs& epochs_;
  std::vector<Member*> members_;
  mutable std::mutex mutex_;
  List list_;  // in the order they began
  uint64_t begun_ = 0;
  bool shut_ = false;
  // By shard: no floor goes beyond. Of batches that are undecided, or cannot be forgotten because
  // of such; they are in no list any more.
  std::map<uint32_t, Lsn> held_;
  absl::Status undecided_;        // OK, or the first failure that left a batch undecided
  std::set<RecordPlace> hidden_;  // of aborted batches; durable, and below the floors
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_ATOMIC_BATCHES_H_
