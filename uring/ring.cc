#include "uring/ring.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/asan_poison.h"
#include "base/check.h"
#include "base/errno_status.h"

#if defined(__SANITIZE_THREAD__)
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace corewal {
namespace {

// liburing maps and unmaps a ring's memory by system calls that the sanitizers do not see. To them
// a ring where something else was before is the same memory, so that is put in order here.
void MemoryIsNew(const io_uring& ring) {
  ASAN_UNPOISON_MEMORY_REGION(ring.sq.ring_ptr, ring.sq.ring_sz);
  ASAN_UNPOISON_MEMORY_REGION(ring.cq.ring_ptr, ring.cq.ring_sz);
  ASAN_UNPOISON_MEMORY_REGION(ring.sq.sqes, ring.sq.ring_entries * sizeof(io_uring_sqe));
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(reinterpret_cast<void*>(&MemoryIsNew));
#endif
}
void MemoryGoes() {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(reinterpret_cast<void*>(&MemoryIsNew));
#endif
}

// Refusals in a row of one submission before it is Unavailable.
constexpr int kRefusalsMax = 16;
constexpr unsigned kFeatures = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE;

struct Rung {
  RingMode mode;
  unsigned flags;
  const char* name;
  const char* needs;
};

// SUBMIT_ALL: a bad SQE must not hold back those behind it. TASKRUN_FLAG: tells Poll whether
// entering the kernel would bring anything.
constexpr Rung kRungs[] = {
    {RingMode::kSqpoll, IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL,
     "sqpoll", "Linux 6.0"},
    {RingMode::kDeferTaskrun,
     IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
         IORING_SETUP_SUBMIT_ALL,
     "defer_taskrun", "Linux 6.1"},
    {RingMode::kCoopTaskrun,
     IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
     "coop_taskrun", "Linux 5.19"},
    {RingMode::kPlain, 0, "plain", "Linux 5.11"},
};

const Rung& RungOf(RingMode mode) { return kRungs[static_cast<size_t>(mode)]; }

std::string Sysctl(const char* path) {
  std::ifstream in(path);
  std::string value;
  in >> value;
  return value;
}

}  // namespace

absl::string_view RingModeName(RingMode mode) { return RungOf(mode).name; }

std::string RingDenial(int error) {
  const std::string disabled = Sysctl("/proc/sys/kernel/io_uring_disabled");
  if (error == EPERM && !disabled.empty() && disabled != "0") {
    return absl::StrCat("io_uring is forbidden by kernel.io_uring_disabled=", disabled,
                        "; allow it with: sysctl kernel.io_uring_disabled=0");
  }
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::StrCat("io_uring is forbidden (", ErrnoName(error),
                          "), most likely by the seccomp filter of a container; allow "
                          "io_uring_setup, io_uring_enter and io_uring_register there");
    case ENOSYS:
      return "this kernel has no io_uring, or a seccomp filter says so (ENOSYS); allow "
             "io_uring_setup, io_uring_enter and io_uring_register, or use Linux 5.11 or newer";
    case ENOMEM:
      return "io_uring_setup found no memory (ENOMEM); some kernels count rings against "
             "RLIMIT_MEMLOCK, shared by all processes of the user: raise it with ulimit -l";
    case EMFILE:
    case ENFILE:
      return absl::StrCat("io_uring_setup found no free file descriptor (", ErrnoName(error),
                          "); raise the limit with ulimit -n");
    default:
      return absl::StrCat("io_uring_setup failed: ", ErrnoName(error));
  }
}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(const RingOptions& options,
                                                   std::vector<std::string>* reasons) {
  std::unique_ptr<Ring> ring(new Ring);
  std::string last;
  for (auto mode = options.best; mode <= options.worst;
       mode = static_cast<RingMode>(static_cast<int>(mode) + 1)) {
    const int error = ring->SetUp(mode, options);
    if (error == 0) {
      ring->open_ = true;
      ring->mode_ = mode;
      io_uring_ring_dontfork(&ring->ring_);     // a child must not touch it
      io_uring_register_ring_fd(&ring->ring_);  // saves a lookup per enter; Linux 5.18
      return ring;
    }
    const Rung& rung = RungOf(mode);
    last = error == EINVAL ? absl::StrCat("ring mode ", rung.name, " needs ", rung.needs)
                           : absl::StrCat("ring mode ", rung.name, ": ", RingDenial(error));
    // Denied for what it is, not for its flags: no rung below will do better.
    if (error != EINVAL && mode != RingMode::kSqpoll) {
      return absl::FailedPreconditionError(RingDenial(error));
    }
    reasons->push_back(last);
  }
  return absl::FailedPreconditionError(last);
}

int Ring::SetUp(RingMode mode, const RingOptions& options) {
  io_uring_params params = {};
  params.flags = RungOf(mode).flags;
  if (options.cq_entries != 0) {
    params.flags |= IORING_SETUP_CQSIZE;
    params.cq_entries = options.cq_entries;
  }
  if (mode == RingMode::kSqpoll) {
    params.sq_thread_idle = options.sqpoll_idle_ms;
    if (options.poller_of_ring_fd >= 0) {
      params.flags |= IORING_SETUP_ATTACH_WQ;
      params.wq_fd = static_cast<unsigned>(options.poller_of_ring_fd);
    } else if (options.sqpoll_cpu >= 0) {
      params.flags |= IORING_SETUP_SQ_AFF;
      params.sq_thread_cpu = static_cast<unsigned>(options.sqpoll_cpu);
    }
  }
  const int result = io_uring_queue_init_params(options.entries, &ring_, &params);
  if (result < 0) return -result;
  MemoryIsNew(ring_);
  int error = (params.features & kFeatures) == kFeatures ? 0 : EINVAL;
  // A filter may allow the setup and deny its use: found out here, not at the first write.
  if (error == 0) error = std::max(0, -io_uring_get_events(&ring_));
  if (error != 0) io_uring_queue_exit(&ring_);
  return error;
}

Ring::~Ring() {
  if (!open_ || leaked_) return;
  // The ring's memory was never mapped in the child; unmapping could hit somebody else's.
  if (owner_.Identify() == ThreadOwner::Caller::kForkedChild) {
    close(ring_.ring_fd);
    return;
  }
  MemoryGoes();
  io_uring_queue_exit(&ring_);
}

io_uring_sqe* Ring::Queue() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    // The poller frees an SQE a moment after completing it.
    CHECK(mode_ == RingMode::kSqpoll) << "more than " << entries() << " SQEs queued";
    io_uring_sqring_wait(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

absl::Status Ring::Submit() {
  int refusals = 0;
  while (queued() > 0) {
    if (mode_ != RingMode::kSqpoll || PollerSleeps()) ++enters_;
    const int result = io_uring_submit(&ring_);
    if (mode_ == RingMode::kSqpoll && result >= 0) return absl::OkStatus();  // the poller's now
    if (result > 0 || result == -EINTR) continue;
    if (result < 0 && result != -EAGAIN && result != -EBUSY) {
      return ErrnoStatus(-result, "io_uring_enter", "of the ring");
    }
    if (++refusals == kRefusalsMax) {
      return absl::UnavailableError(
          absl::StrCat("io_uring_enter takes no more operations for now (", ErrnoName(-result),
                       "); submit again"));
    }
  }
  return absl::OkStatus();
}

absl::Status Ring::SubmitAndWait(uint32_t completions, MonotonicNs deadline) {
  __kernel_timespec timeout = {};
  if (deadline != kNever) {
    const MonotonicNs left = deadline - Clock::System().Now();
    if (left <= 0) {
      if (HasHeldBack()) FetchHeldBack();
      return Submit();
    }
    timeout.tv_sec = left / 1'000'000'000;
    timeout.tv_nsec = left % 1'000'000'000;
  }
  io_uring_cqe* first;
  ++enters_;
  CountOverflow();
  const int result = io_uring_submit_and_wait_timeout(
      &ring_, &first, completions, deadline == kNever ? nullptr : &timeout, nullptr);
  if (result >= 0 || result == -ETIME || result == -EINTR) return absl::OkStatus();
  if (result == -EAGAIN || result == -EBUSY) {
    return absl::UnavailableError(absl::StrCat("io_uring_enter takes no more operations for now (",
                                               ErrnoName(-result), "); submit again"));
  }
  return ErrnoStatus(-result, "io_uring_enter", "of the ring");
}

void Ring::FetchHeldBack() {
  ++enters_;
  CountOverflow();
  (void)io_uring_get_events(&ring_);  // what it could not fetch stays flagged
}

}  // namespace corewal
