#include "io_backend/storage_io.h"

namespace corewal {

absl::Status StorageIo::Cancel(OpToken) {
  return absl::UnimplementedError("this storage cancels nothing");
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
