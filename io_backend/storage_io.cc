#include "io_backend/storage_io.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace corewal {

void BufferHome::ShareBuffer(uint32_t index) {
  CHECK(false) << "buffer " << index << " is of a home that shares none";
}

absl::StatusOr<OpToken> StorageIo::WriteGather(const GatherOp&, absl::Span<WritePiece>) {
  return absl::UnimplementedError("this storage writes one buffer at a time");
}

absl::StatusOr<OpToken> StorageIo::ReadAny(const ReadOp& op) {
  ASSIGN_OR_RETURN(BufferLease buffer, AcquireBuffer());
  return Read(op, std::move(buffer));
}

absl::Status StorageIo::Cancel(OpToken) {
  return absl::UnimplementedError("this storage cancels nothing");
}

absl::Status StorageIo::WakeOn(int) {
  return absl::UnimplementedError("this storage does not sleep");
}

absl::string_view OpKindName(OpKind kind) {
  switch (kind) {
    case OpKind::kWrite:
      return "write";
    case OpKind::kRead:
      return "read";
    case OpKind::kSync:
      return "sync";
    case OpKind::kPreallocate:
      return "preallocate";
  }
  return "unknown";
}

}  // namespace corewal
