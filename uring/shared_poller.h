// uring/shared_poller.h: one thread of the kernel that polls the submission queues of many rings.
//
// An SQPOLL ring costs a core while it is busy; a poller each for the shards of an engine would
// cost as many cores as the shards themselves. This one is started once, and rings attach to it.
// The poller lives until this object and the last ring attached are gone.
// Thread: any; rings of several threads may be attached. In a forked child it serves nobody: the
// kernel gives a ring that is attached there a poller of its own.
#ifndef COREWAL_URING_SHARED_POLLER_H_
#define COREWAL_URING_SHARED_POLLER_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "uring/ring.h"

namespace corewal {

class SharedPoller {
 public:
  // FailedPrecondition: no poller is to be had, with the reason and the remedy.
  static absl::StatusOr<std::shared_ptr<const SharedPoller>> Create(uint32_t idle_ms, int cpu);

  // For RingOptions::poller_of_ring_fd.
  int ring_fd() const { return ring_->fd(); }

 private:
  explicit SharedPoller(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

  const std::unique_ptr<Ring> ring_;  // nothing is ever submitted to it
};

}  // namespace corewal

#endif  // COREWAL_URING_SHARED_POLLER_H_
