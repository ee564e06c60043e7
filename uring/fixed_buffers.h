// uring/fixed_buffers.h: memory registered with a ring, so that an operation neither looks up nor
// pins pages. It saves a copy only together with O_DIRECT; buffered I/O copies all the same.
//
// Two ways. RegisterFixedBuffers*: all at once, for as long as the ring lives. A table: slots made
// empty at first (IORING_REGISTER_BUFFERS2, sparse, Linux 5.19), filled and cleared later one range
// at a time (IORING_REGISTER_BUFFERS_UPDATE), while other slots are in use; an operation in flight
// keeps the pages that it started with.
//
// Limits: 16384 buffers of up to 1 GiB per ring; pinned pages count against RLIMIT_MEMLOCK unless
// the process has CAP_IPC_LOCK (io_uring_register(2)).
#ifndef COREWAL_URING_FIXED_BUFFERS_H_
#define COREWAL_URING_FIXED_BUFFERS_H_

#include <sys/uio.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "uring/ring.h"

namespace corewal {

// Registers all of `buffers` or none; their index is the position in the span.
// FailedPrecondition: refused; the message names the limit and the remedy.
absl::Status RegisterFixedBuffers(Ring& ring, absl::Span<const iovec> buffers);

struct FixedBuffersThatFit {
  uint32_t count = 0;  // the first so many of the span are registered, at the same positions
  std::string reason;  // why not all, with the limit and the remedy; empty if all
};
// Registers as many of `buffers` (of one size) as RLIMIT_MEMLOCK allows, an eighth of it left for
// other rings; if the user's other processes have used it up, half as many, and so on down to none.
FixedBuffersThatFit RegisterFixedBuffersThatFit(Ring& ring, absl::Span<const iovec> buffers);

// A table of `slots` empty slots. FailedPrecondition: refused, with the reason.
absl::Status RegisterBufferTable(Ring& ring, uint32_t slots);
// Fills the slots from `first` on with as many of `buffers` (of one size) as RLIMIT_MEMLOCK allows;
// those below `first` are of the same size and count against it too.
FixedBuffersThatFit FillBufferSlots(Ring& ring, uint32_t first, absl::Span<const iovec> buffers);
// On error the slots may still hold their buffers: do not give the memory back.
absl::Status ClearBufferSlots(Ring& ring, uint32_t first, uint32_t count);

// Gives pins and RLIMIT_MEMLOCK back now, instead of some time after the ring is closed.
void UnregisterFixedBuffers(Ring& ring);

}  // namespace corewal

#endif  // COREWAL_URING_FIXED_BUFFERS_H_
