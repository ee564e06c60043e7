// io_backend/system_call_io.h: one attempt at an operation by a plain, blocking system call.
#ifndef COREWAL_IO_BACKEND_SYSTEM_CALL_IO_H_
#define COREWAL_IO_BACKEND_SYSTEM_CALL_IO_H_

#include <cstdint>

#include "io_backend/operation.h"

namespace corewal {

// Does what is left of `op`; returns bytes (0 for a sync or preallocation) or a negative errno
// value, for Operation::TakeAnswer().
int64_t AttemptBySystemCall(const Operation& op);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_SYSTEM_CALL_IO_H_
