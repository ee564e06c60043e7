// engine/subscription.h: follows one shard of a live engine, up to what is durable.
//
//   auto subscription = engine->Subscribe(ShardId{0}, resume);
//   for (;;) {
//     ASSIGN_OR_RETURN(const bool got, subscription->Next(&record));
//     if (got) Use(record), resume = subscription->position();
//     else subscription->WaitForMore(absl::Seconds(1));
//   }
//
// Hands out the user's records in LSN order; those of an atomic batch once the batch is decided,
// and not at all if it does not count. Pulled: who reads slowly is not waited for, and holds
// nothing back; if truncation overtakes it, it is told. To be resumed, also in a later opening, at
// position().
//
// Ends with an error, once all that it may hand out has been: FailedPrecondition after Close, or
// the shard's failure. If a shard fails under an atomic batch, the subscriptions of others end with
// that as well: what lies behind is not decided before the engine is opened again.
//
// Thread: one at a time, the one that made it. It must not outlive its engine.
#ifndef COREWAL_ENGINE_SUBSCRIPTION_H_
#define COREWAL_ENGINE_SUBSCRIPTION_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/record_place.h"
#include "io_backend/storage_io.h"
#include "wal/log_follower.h"
#include "wal/lsn.h"

namespace corewal {

class Subscription {
 public:
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // True: the next record, valid until the next call. False: nothing more is durable yet.
  // OutOfRange: truncation has overtaken position(); oldest() is where the log begins now. Other
  // errors: the end, as above; DataLoss, or why reading failed.
  absl::StatusOr<bool> Next(RecordView* record);
  // Until there may be more, or the end, or for `timeout`. True: call Next.
  bool WaitForMore(absl::Duration timeout);

  // Pass it to Subscribe to go on behind the last record handed out.
  Lsn position() const { return follower_->position(); }
  Lsn oldest() const { return follower_->oldest(); }

 private:
  friend class Engine;
  struct Source {
    ShardId shard{};
    std::function<Lsn()> limit;                      // records below it may be handed out
    std::function<bool(const RecordPlace&)> hidden;  // of a batch that does not count
    std::function<bool(Lsn beyond, MonotonicNs deadline)> wait;  // until limit() > beyond, or over
    std::function<absl::Status()> over;  // not OK: limit() will not grow any more
  };
  Subscription(Source source, std::unique_ptr<StorageIo> io);

  Source source_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogFollower> follower_;
  Lsn read_to_;  // the limit() that the last Next that found nothing had looked to
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_SUBSCRIPTION_H_
