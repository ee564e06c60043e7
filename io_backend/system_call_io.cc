#include "io_backend/system_call_io.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace corewal {

// preadv2 and pwritev2 rather than pread and pwrite: sanitizers look into the buffers of the
// latter, which are poisoned while an operation has them (BufferPool).
int64_t AttemptBySystemCall(const Operation& op) {
  int64_t answer = -1;
  switch (op.kind) {
    case OpKind::kWrite: {
      const iovec one = {op.gathers() ? nullptr : op.rest_data(), op.rest_length()};
      const iovec* const rest = op.gathers() ? op.pieces : &one;
      const int count = op.gathers() ? static_cast<int>(op.piece_count) : 1;
      const int flags = op.write_mode == WriteMode::kDsync ? RWF_DSYNC : 0;
      answer = pwritev2(op.fd, rest, count, static_cast<off_t>(op.rest_offset()), flags);
      break;
    }
    case OpKind::kRead: {
      const iovec rest = {op.rest_data(), op.rest_length()};
      answer = preadv2(op.fd, &rest, 1, static_cast<off_t>(op.rest_offset()), 0);
      break;
    }
    case OpKind::kSync:
      answer = op.sync_mode == SyncMode::kDatasync ? fdatasync(op.fd) : fsync(op.fd);
      break;
    case OpKind::kPreallocate:
      answer = fallocate(op.fd, 0, static_cast<off_t>(op.offset), static_cast<off_t>(op.length));
      break;
  }
  return answer < 0 ? -errno : answer;
}

}  // namespace corewal
