#include "io_backend/operation.h"

#include <cerrno>

#include "base/check.h"
#include "base/mutation.h"

namespace corewal {

void Operation::Transition(State to) {
  const bool edge = (state_ == State::kStaged && to == State::kInKernel) ||
                    (state_ == State::kStaged && to == State::kReady) ||
                    (state_ == State::kInKernel && to == State::kReady);
  CHECK(edge) << OpKindName(kind) << " from state " << static_cast<int>(state_) << " to "
              << static_cast<int>(to);
  state_ = to;
}

Operation::Verdict Operation::TakeAnswer(int64_t answer) {
  if (answer < 0) return TakeFailure(static_cast<int>(-answer));
  switch (kind) {
    case OpKind::kWrite:
    case OpKind::kRead:
      return TakeTransfer(static_cast<uint64_t>(answer));
    case OpKind::kSync:
    case OpKind::kPreallocate:
      return Finish(0);
  }
  return Finish(EINVAL);
}

Operation::Verdict Operation::TakeFailure(int errno_value) {
  // A sync is never tried again, not even after EINTR: the kernel reports a lost page once, and
  // may have done so together with this very answer.
  const bool transient = errno_value == EINTR || errno_value == EAGAIN;
  if (transient && cancel_asked) return Finish(ECANCELED);
  if (!transient || kind == OpKind::kSync || ++idle_attempts >= kAttemptsMax) {
    return Finish(errno_value);
  }
  return Verdict::kTryRest;
}

Operation::Verdict Operation::TakeTransfer(uint64_t bytes) {
  CHECK_LE(bytes, rest_length());
  const uint64_t before = done;
  done += bytes;
  if (done == length) return Finish(0);
  const bool write = kind == OpKind::kWrite;
  if (write && bytes > 0 && Mutated(Mutation::kShortWriteIgnored)) return Finish(0);
  if (bytes == 0) return Finish(write ? EIO : 0);  // a read: the end of the file
  ++short_transfers;
  idle_attempts = 0;
  const uint64_t ragged = done % alignment;
  // With O_DIRECT a read ends inside a block only at the end of the file.
  if (!write && ragged != 0) return Finish(0);
  const uint64_t aligned = done - ragged;
  if (aligned <= before && ragged != 0) return Finish(EIO);
  if (short_transfers >= kAttemptsMax) return Finish(EIO);
  if (cancel_asked) return Finish(ECANCELED);
  done = aligned;  // a ragged tail is written again, with the same bytes
  DropFromPieces(done - before);
  return Verdict::kTryRest;
}

void Operation::DropFromPieces(uint64_t bytes) {
  while (gathers() && bytes >= pieces->iov_len) {
    bytes -= pieces->iov_len;
    ++pieces;
    --piece_count;
    CHECK_GT(piece_count, 0u) << "nothing is left to write";
  }
  if (!gathers()) return;
  pieces->iov_base = static_cast<std::byte*>(pieces->iov_base) + bytes;
  pieces->iov_len -= bytes;
}

Operation::Verdict Operation::Finish(int errno_value) {
  error = errno_value;
  return Verdict::kReady;
}

}  // namespace corewal
