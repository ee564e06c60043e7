#include "uring/shared_poller.h"

#include <string>
#include <vector>

namespace corewal {

absl::StatusOr<std::shared_ptr<const SharedPoller>> SharedPoller::Create(uint32_t idle_ms,
                                                                         int cpu) {
  std::vector<std::string> reasons;
  auto ring = Ring::Create({.entries = 1,
                            .best = RingMode::kSqpoll,
                            .worst = RingMode::kSqpoll,
                            .sqpoll_idle_ms = idle_ms,
                            .sqpoll_cpu = cpu},
                           &reasons);
  if (!ring.ok()) return ring.status();
  return std::shared_ptr<const SharedPoller>(new SharedPoller(*std::move(ring)));
}

}  // namespace corewal
