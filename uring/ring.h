// uring/ring.h: one io_uring, from the best setup that the kernel grants.
//
// The room `uring` wraps the kernel's ring and what is registered with it: probe.h (what is
// granted), ring.h, fixed_buffers.h, file_table.h. It knows nothing of operations, retries or logs.
//
//   ladder:  sqpoll (if asked for)  |  defer_taskrun  >  coop_taskrun  >  plain
//
// A ring orders nothing: completions arrive in any order, and that is all this class promises.
// Thread: the creator's (SINGLE_ISSUER). The ring is not inherited over fork.
// Failure: Create says which rung was refused and why; a transient refusal to submit is
// Unavailable and loses nothing: what was not consumed stays queued.
#ifndef COREWAL_URING_RING_H_
#define COREWAL_URING_RING_H_

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/thread_owner.h"

namespace corewal {

// Rungs, best first; sqpoll stands apart: it pays only where a core is to spare.
enum class RingMode : uint8_t { kSqpoll, kDeferTaskrun, kCoopTaskrun, kPlain };
absl::string_view RingModeName(RingMode mode);

struct RingOptions {
  uint32_t entries = 64;    // SQEs queued at once; rounded up to a power of two by the kernel
  uint32_t cq_entries = 0;  // 0: twice `entries`
  RingMode best = RingMode::kDeferTaskrun;  // where to enter the ladder
  RingMode worst = RingMode::kPlain;        // where to give up
  uint32_t sqpoll_idle_ms = 50;
  int sqpoll_cpu = -1;  // -1: anywhere
  // For sqpoll: the poller of this ring serves the new one too (IORING_SETUP_ATTACH_WQ), so
  // sqpoll_cpu is not used; -1: a poller of its own.
  int poller_of_ring_fd = -1;
};

class Ring {
 public:
  // Appends to `reasons` why each better rung was refused. FailedPrecondition: no rung is to be
  // had; the message says why and what to change.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(const RingOptions& options,
                                                      std::vector<std::string>* reasons);
  // Nothing may be in flight, unless leaked or in a forked child.
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // A cleared SQE to fill in; it is queued. At most `entries` may be queued and not submitted.
  io_uring_sqe* Queue();
  // SQEs queued and not yet consumed by the kernel.
  uint32_t queued() const { return io_uring_sq_ready(&ring_); }

  // Hands all queued SQEs to the kernel. Unavailable: it takes no more for now; submit again.
  absl::Status Submit();
  // Submit, then sleep until `completions` CQEs are there or `deadline` passed; one system call.
  // Interrupted by a signal it returns early. OK in each case.
  absl::Status SubmitAndWait(uint32_t completions, MonotonicNs deadline);

  bool HasCqes() const { return io_uring_cq_ready(&ring_) > 0; }
  // Calls visit(user_data, result) for each CQE that is there, without a system call.
  template <typename Visit>
  uint32_t Reap(Visit visit) {
    return ReapCqes([&](const io_uring_cqe& cqe) { visit(cqe.user_data, cqe.res); });
  }
  // The same, for who needs the flags too.
  template <typename Visit>
  uint32_t ReapCqes(Visit visit) {
    unsigned head;
    uint32_t count = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      visit(*cqe);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    return count;
  }
  // Whether the kernel holds completions back until it is entered: deferred or overflown ones.
  bool HasHeldBack() const {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) !=
           0;
  }
  void FetchHeldBack();

  // Gives the ring up without closing it: operations that will not end are still in flight.
  void Leak() { leaked_ = true; }

  RingMode mode() const { return mode_; }
  uint64_t enters() const { return enters_; }  // system calls made to submit, wait or fetch
  // Times that completions were found held back for want of room; none is lost.
  uint64_t cq_overflows() const { return cq_overflows_; }
  uint32_t entries() const { return ring_.sq.ring_entries; }
  uint32_t cq_entries() const { return ring_.cq.ring_entries; }
  int fd() const { return ring_.ring_fd; }
  io_uring* raw() { return &ring_; }  // for what registers with the ring

 private:
  Ring() = default;
  int SetUp(RingMode mode, const RingOptions& options);
  void CountOverflow() {
    const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
    if ((flags & IORING_SQ_CQ_OVERFLOW) != 0) ++cq_overflows_;
  }
  bool PollerSleeps() const {
    return (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_NEED_WAKEUP) != 0;
  }

  const ThreadOwner owner_;
  io_uring ring_ = {};
  RingMode mode_ = RingMode::kPlain;
  bool open_ = false;
  bool leaked_ = false;
  uint64_t enters_ = 0;
  uint64_t cq_overflows_ = 0;
};

// Why io_uring_setup failed with `error`, and the remedy.
std::string RingDenial(int error);

}  // namespace corewal

#endif  // COREWAL_URING_RING_H_
