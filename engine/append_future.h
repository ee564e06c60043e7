// engine/append_future.h: the answer to an append from another thread.
//
// Ready exactly once: with the record's LSN when it is as durable as was asked, or with the error.
// Move-only; may be dropped at any time, which never takes the append back.
// Thread: any, one at a time per future.
#ifndef COREWAL_ENGINE_APPEND_FUTURE_H_
#define COREWAL_ENGINE_APPEND_FUTURE_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "wal/lsn.h"

namespace corewal {

class AppendState;  // engine/append_state.h

class AppendFuture {
 public:
  AppendFuture() = default;
  AppendFuture(AppendFuture&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  AppendFuture& operator=(AppendFuture&& other) noexcept;
  ~AppendFuture();

  bool valid() const { return state_ != nullptr; }
  bool ready() const;
  // Blocks until ready. Must be valid.
  absl::StatusOr<Lsn> Wait();
  // DeadlineExceeded: not ready yet; the append itself goes on and the future stays valid.
  absl::StatusOr<Lsn> WaitFor(absl::Duration timeout);

 private:
  friend class Engine;
  explicit AppendFuture(AppendState* state) : state_(state) {}
  AppendState* state_ = nullptr;
};

}  // namespace corewal

#endif  // COREWAL_ENGINE_APPEND_FUTURE_H_
