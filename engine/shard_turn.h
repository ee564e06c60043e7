// engine/shard_turn.h: whether the calling thread is inside a shard's turn, which for code of
// others means: in a callback.
//
// A callback that waits for something which only a shard's thread can bring about waits for itself,
// or for another shard's callback that waits for this one. So every call that waits asks here
// first, and refuses.
//
//   turn of shard 0 { callback { Poll of shard 1: turn of shard 1 { callback { here: in both } } }
//   }
//
// Thread: each its own.
#ifndef COREWAL_ENGINE_SHARD_TURN_H_
#define COREWAL_ENGINE_SHARD_TURN_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal {

class ShardTurn {
 public:
  // `shard` is only compared.
  explicit ShardTurn(const void* shard) : shard_(shard), outer_(innermost_) { innermost_ = this; }
  ~ShardTurn() { innermost_ = outer_; }
  ShardTurn(const ShardTurn&) = delete;
  ShardTurn& operator=(const ShardTurn&) = delete;

  static bool InAny() { return innermost_ != nullptr; }
  static bool In(const void* shard) {
    for (const ShardTurn* turn = innermost_; turn != nullptr; turn = turn->outer_) {
      if (turn->shard_ == shard) return true;
    }
    return false;
  }
  static absl::Status Refusal(absl::string_view call, absl::string_view instead) {
    return absl::FailedPreconditionError(absl::StrCat(
        call, " from a callback on a shard's thread could wait for itself; ", instead));
  }

 private:
  static inline thread_local const ShardTurn* innermost_ = nullptr;
  const void* const shard_;
  const ShardTurn* const outer_;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_SHARD_TURN_H_
