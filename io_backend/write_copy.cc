#include "io_backend/write_copy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace corewal {

absl::StatusOr<OpToken> WriteCopy(StorageIo& io, const GatherOp& op,
                                  absl::Span<const std::byte> bytes) {
  const size_t buffer_bytes = io.buffer_bytes();
  const size_t bytes_max = buffer_bytes * kWritePiecesMax;
  if (bytes.empty() || bytes.size() > bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("WriteCopy of ", bytes.size(), " bytes, must be 1 to ", bytes_max));
  }
  std::array<WritePiece, kWritePiecesMax> pieces;
  size_t count = 0;
  for (size_t done = 0; done < bytes.size(); done += buffer_bytes, ++count) {
    const size_t length = std::min(buffer_bytes, bytes.size() - done);
    ASSIGN_OR_RETURN(pieces[count].buffer, io.AcquireBuffer());
    std::memcpy(pieces[count].buffer.data(), bytes.data() + done, length);
    pieces[count].length = static_cast<uint32_t>(length);
  }
  if (count > 1) return io.WriteGather(op, absl::MakeSpan(pieces).first(count));
  return io.Write({.file = op.file,
                   .offset = op.offset,
                   .length = pieces[0].length,
                   .mode = op.mode,
                   .tag = op.tag},
                  std::move(pieces[0].buffer));
}

}  // namespace corewal
