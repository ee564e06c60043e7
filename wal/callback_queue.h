// wal/callback_queue.h: the appends that wait to be told, in LSN order.
//
// A ring sized once, so that an append with a callback allocates nothing (as long as what the
// callback captures fits AnyInvocable's own storage: two pointers).
#ifndef COREWAL_WAL_CALLBACK_QUEUE_H_
#define COREWAL_WAL_CALLBACK_QUEUE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/check.h"
#include "wal/lsn.h"

namespace corewal {

// How far the writer carries a record by itself. kAppended: until a buffer is full, a later record
// asks for more, or the log has been idle for a while.
enum class Durability : uint8_t { kDurable, kWritten, kAppended };

// OK: the record at this LSN is as durable as was asked. Else why it is not.
using AppendCallback = absl::AnyInvocable<void(absl::StatusOr<Lsn>)>;

class CallbackQueue {
 public:
  struct Entry {
    Lsn lsn;
    Durability durability = Durability::kDurable;
    AppendCallback on_done;
  };

  explicit CallbackQueue(uint32_t capacity) : ring_(capacity) {}

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == ring_.size(); }
  uint32_t capacity() const { return static_cast<uint32_t>(ring_.size()); }

  void Push(Lsn lsn, Durability durability, AppendCallback on_done) {
    CHECK(!full());
    if (!empty()) CHECK_LT(ring_[(head_ + size_ - 1) % ring_.size()].lsn, lsn);
    ring_[(head_ + size_++) % ring_.size()] = {lsn, durability, std::move(on_done)};
  }
  const Entry& front() const { return ring_[head_]; }
  Entry Pop() {
    Entry entry = std::move(ring_[head_]);
    head_ = (head_ + 1) % ring_.size();
    --size_;
    return entry;
  }

 private:
  std::vector<Entry> ring_;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_CALLBACK_QUEUE_H_
