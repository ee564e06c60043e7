// io_backend/write_copy.h: writes bytes that are not in a leased buffer, at the price of a copy.
//
// For headers, metadata and tests. Where the bytes are made anyway, make them in a lease and save
// the copy. Thread, failure: as StorageIo.
#ifndef COREWAL_IO_BACKEND_WRITE_COPY_H_
#define COREWAL_IO_BACKEND_WRITE_COPY_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "io_backend/storage_io.h"

namespace corewal {

// Stages a write of `bytes`, copied into as many buffers as they take, as one operation. `bytes`
// may be reused at once. Length and alignment as for Write; at most kWritePiecesMax buffers
// (InvalidArgument: too long, named). ResourceExhausted: too few buffers are free, or no credit;
// nothing was staged, no buffer kept.
absl::StatusOr<OpToken> WriteCopy(StorageIo& io, const GatherOp& op,
                                  absl::Span<const std::byte> bytes);

}  // namespace corewal

#endif  // COREWAL_IO_BACKEND_WRITE_COPY_H_
