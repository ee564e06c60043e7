#include "uring/fixed_buffers.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "uring/memlock.h"

namespace corewal {
namespace {

// 0, or a positive errno value.
int Register(Ring& ring, absl::Span<const iovec> buffers) {
  return -io_uring_register_buffers(ring.raw(), buffers.data(),
                                    static_cast<unsigned>(buffers.size()));
}

std::string Describe(absl::Span<const iovec> buffers) {
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return absl::StrCat("registering ", buffers.size(), " buffers of ", bytes, " bytes in all");
}

// The limit and what to do about it.
std::string Remedy(const MemlockLimit& limit) {
  return absl::StrCat("RLIMIT_MEMLOCK is ", limit.bytes,
                      " bytes: raise it (ulimit -l unlimited, or LimitMEMLOCK= of the service), or "
                      "use fewer or smaller buffers");
}

bool ForWantOfMemlock(int error) { return error == ENOMEM || error == EPERM; }

}  // namespace

absl::Status RegisterFixedBuffers(Ring& ring, absl::Span<const iovec> buffers) {
  const int error = Register(ring, buffers);
  if (error == 0) return absl::OkStatus();
  const std::string what = absl::StrCat(Describe(buffers), ": ", ErrnoName(error));
  if (!ForWantOfMemlock(error)) return absl::FailedPreconditionError(what);
  return absl::FailedPreconditionError(absl::StrCat(what, "; ", Remedy(ReadMemlockLimit())));
}

FixedBuffersThatFit RegisterFixedBuffersThatFit(Ring& ring, absl::Span<const iovec> buffers) {
  if (buffers.empty()) return {};
  const MemlockLimit limit = ReadMemlockLimit();
  const uint64_t fitting = limit.budget_bytes() / buffers[0].iov_len;
  const auto before_trying = static_cast<uint32_t>(std::min<uint64_t>(fitting, buffers.size()));
  uint32_t count = before_trying;
  int error = 0;
  while (count > 0) {
    error = Register(ring, buffers.first(count));
    if (error == 0 && count == buffers.size()) return {.count = count};
    if (error == 0) break;
    count = error == ENOMEM ? count / 2 : 0;  // only of memory could there be enough for fewer
  }
  const std::string which =
      count == 0 ? std::string("buffers are not registered")
                 : absl::StrCat("only ", count, " of ", buffers.size(), " buffers are registered");
  if (count == before_trying) {
    return {.count = count,
            .reason = absl::StrCat(which, ": of ", buffers[0].iov_len, " bytes each, ", fitting,
                                   " fit; ", Remedy(limit), " (an eighth is kept for the rings)")};
  }
  const std::string refused = absl::StrCat(which, ": ", Describe(buffers.first(before_trying)),
                                           ": ", ErrnoName(error == 0 ? ENOMEM : error));
  if (error != 0 && !ForWantOfMemlock(error)) return {.count = count, .reason = refused};
  return {.count = count, .reason = absl::StrCat(refused, "; ", Remedy(limit))};
}

absl::Status RegisterBufferTable(Ring& ring, uint32_t slots) {
  const int result = io_uring_register_buffers_sparse(ring.raw(), slots);
  if (result == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("registering a table of ", slots,
                                                    " buffers: ", ErrnoName(-result),
                                                    result == -EINVAL ? "; needs Linux 5.19" : ""));
}

FixedBuffersThatFit FillBufferSlots(Ring& ring, uint32_t first, absl::Span<const iovec> buffers) {
  if (buffers.empty()) return {};
  const MemlockLimit limit = ReadMemlockLimit();
  const uint64_t fitting = limit.budget_bytes() / buffers[0].iov_len;
  const uint64_t free_slots = fitting - std::min<uint64_t>(fitting, first);
  const auto trying = static_cast<uint32_t>(std::min<uint64_t>(free_slots, buffers.size()));
  uint32_t count = 0;
  int error = ENOMEM;
  while (count < trying) {
    // What fits of the range is filled, and its number returned.
    const int result = io_uring_register_buffers_update_tag(
        ring.raw(), first + count, buffers.data() + count, nullptr, trying - count);
    if (result <= 0) {
      error = -result;
      break;
    }
    count += static_cast<uint32_t>(result);
  }
  if (count == buffers.size()) return {.count = count};
  const std::string refused =
      absl::StrCat(count, " of ", buffers.size(), " buffers of ", buffers[0].iov_len,
                   " bytes are registered, besides ", first, " before: ", ErrnoName(error));
  if (!ForWantOfMemlock(error)) return {.count = count, .reason = refused};
  return {.count = count, .reason = absl::StrCat(refused, "; ", Remedy(limit))};
}

absl::Status ClearBufferSlots(Ring& ring, uint32_t first, uint32_t count) {
  const iovec nothing = {nullptr, 0};
  for (uint32_t slot = first; slot < first + count; ++slot) {
    const int result = io_uring_register_buffers_update_tag(ring.raw(), slot, &nothing, nullptr, 1);
    if (result == 1) continue;
    return ErrnoStatus(result < 0 ? -result : EIO, "io_uring_register(BUFFERS_UPDATE)",
                       absl::StrCat("slot ", slot));
  }
  return absl::OkStatus();
}

void UnregisterFixedBuffers(Ring& ring) { (void)io_uring_unregister_buffers(ring.raw()); }

}  // namespace corewal
