#include "engine/subscription.h"

#include <utility>

#include "engine/append_future.h"
#include "engine/atomic_record.h"

namespace corewal {

Subscription::Subscription(Source source, std::unique_ptr<StorageIo> io)
    : source_(std::move(source)), io_(std::move(io)) {}

// Here, and not in the header, so that a host's program needs no symbol of what it is made of.
Subscription::~Subscription() = default;

absl::StatusOr<bool> Subscription::Next(RecordView* record) {
  for (;;) {
    switch (follower_->Next(record)) {
      case FollowEvent::kRecord:
        break;
      case FollowEvent::kCaughtUp: {
        read_to_ = follower_->known_durable();
        const absl::Status over = source_.over();
        if (over.ok()) return false;
        // The limit is final now; what came under it meanwhile is handed out first.
        if (source_.limit() > read_to_) continue;
        return over;
      }
      default:
        return follower_->status();
    }
    if (IsUserType(record->type)) return true;
    if (source_.hidden({ToIndex(source_.shard), record->lsn})) continue;
    if (UnwrapAtomic(record)) return true;
  }
}

bool Subscription::WaitForMore(absl::Duration timeout) {
  return source_.wait(read_to_, DeadlineAfter(timeout));
}

}  // namespace corewal
