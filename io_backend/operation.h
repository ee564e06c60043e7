// io_backend/operation.h: one accepted operation, from staging to its completion.
//
//      +---- cancelled -------+
//      |                      v
//   staged --> in_kernel --> ready --> (polled: the slot is freed)
//                |   ^
//                +---+  short, EINTR or EAGAIN: the rest is tried again, as the same operation
//
// What an answer of the kernel means is decided here, once for all backends.
#ifndef COREWAL_IO_BACKEND_OPERATION_H_
#define COREWAL_IO_BACKEND_OPERATION_H_

#include <sys/uio.h>

#include <cstdint>

#include "io_backend/buffer_lease.h"
#include "io_backend/storage_io.h"

namespace corewal {

struct Operation {
  enum class State : uint8_t { kStaged, kInKernel, kReady };
  enum class Verdict : uint8_t { kReady, kTryRest };

  // Attempts in a row without progress before EINTR or EAGAIN becomes the result; short transfers
  // before the result is EIO.
  static constexpr uint32_t kAttemptsMax = 128;

  OpKind kind = OpKind::kWrite;
  WriteMode write_mode = WriteMode::kPlain;
  SyncMode sync_mode = SyncMode::kDatasync;
  uint32_t file_index = 0;
  int fd = -1;
  uint32_t alignment = 1;  // of the file; a rest to try again starts on it
  uint64_t offset = 0;     // bytes
  uint64_t length = 0;     // bytes
  uint64_t tag = 0;
  // Empty: none; or, of a read, the kernel is to pick one.
  BufferLease buffer;
  uint32_t buffer_offset = 0;  // bytes; where in the buffer
  // Of a write of several buffers, which hang on `buffer`: what is left to do of each. Owned by the
  // backend, one array for each slot.
  iovec* pieces = nullptr;
  uint32_t piece_count = 0;
  uint64_t polled_before = 0;  // completions that had been polled when it was staged (DESIGN R1)
  MonotonicNs submitted_ns = 0;
  bool cancel_asked = false;  // EINTR and EAGAIN are the cancellation's then

  uint64_t done = 0;  // bytes transferred
  uint32_t idle_attempts = 0;
  uint32_t short_transfers = 0;
  int error = 0;

  State state() const { return state_; }
  // CHECKs the edges of the picture above.
  void Transition(State to);

  // Takes the kernel's answer to an attempt at [done, length): bytes, or a negative errno value.
  // kTryRest: attempt what is left; kReady: `done` and `error` are final.
  Verdict TakeAnswer(int64_t answer);

  bool gathers() const { return piece_count > 0; }
  std::byte* rest_data() const { return buffer.data() + buffer_offset + done; }
  uint64_t rest_length() const { return length - done; }
  uint64_t rest_offset() const { return offset + done; }

 private:
  Verdict TakeFailure(int errno_value);
  Verdict TakeTransfer(uint64_t bytes);
  Verdict Finish(int errno_value);
  void DropFromPieces(uint64_t bytes);

  State state_ = State::kStaged;
};

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_OPERATION_H_
