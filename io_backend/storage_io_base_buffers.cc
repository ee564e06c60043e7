// StorageIoBase, as far as buffers go: lending them, what part of them a transfer may name, and the
// size of the pool.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "io_backend/storage_io_base.h"

namespace corewal {
namespace {

// What one write of the kernel transfers at most (MAX_RW_COUNT).
constexpr uint64_t kTransferBytesMax = 0x7ffff000;

}  // namespace

absl::StatusOr<BufferLease> StorageIoBase::AcquireBuffer() {
  RETURN_IF_ERROR(owner_.Check());
  std::optional<BufferLease> lease = pool_->Acquire();
  if (!lease.has_value()) {
    ++stats_.buffer_misses;
    if (GrowPool()) lease = pool_->Acquire();
    if (!lease.has_value()) return no_buffer_;
  }
  return *std::move(lease);
}

absl::Status StorageIoBase::CheckTransfer(const OpenFile& file, const Transfer& transfer,
                                          const BufferLease* buffer) const {
  const uint32_t alignment = file.facts().alignment;
  const uint64_t buffer_bytes = pool_->buffer_bytes();
  const char* problem = nullptr;
  if (buffer != nullptr && !pool_->Owns(*buffer)) {
    problem = "the lease is empty or of another storage";
  } else if (buffer == nullptr && transfer.buffer_offset != 0) {
    problem = "the buffer is not known yet, so that buffer_offset must be 0";
  } else if (transfer.length == 0 || transfer.length > buffer_bytes ||
             transfer.buffer_offset > buffer_bytes - transfer.length) {
    problem = "the length is 0 or more than the buffer holds";
  } else if (transfer.offset > INT64_MAX - transfer.length) {
    problem = "the offset is out of range";
  } else if (transfer.offset % alignment != 0 || transfer.length % alignment != 0 ||
             transfer.buffer_offset % alignment != 0) {
    problem = "not aligned as O_DIRECT wants it";
  }
  if (problem == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      file.path(), ", ", transfer.length, " bytes at offset ", transfer.offset, ": ", problem));
}

absl::Status StorageIoBase::CheckPieces(const OpenFile& file, const GatherOp& op,
                                        absl::Span<const WritePiece> pieces) const {
  if (pieces.empty() || pieces.size() > kWritePiecesMax) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": a write of ", pieces.size(),
                                                   " buffers, must be 1 to ", kWritePiecesMax));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const WritePiece& piece = pieces[i];
    if (op.offset.value() > static_cast<uint64_t>(INT64_MAX) - length) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ": the offset ", op.offset.value(), " is out of range"));
    }
    RETURN_IF_ERROR(CheckTransfer(file, {op.offset.value() + length, piece.length, piece.offset},
                                  &piece.buffer));
    length += piece.length;
  }
  if (length > kTransferBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": a write of ", length, " bytes, at most ", kTransferBytesMax));
  }
  return absl::OkStatus();
}

const IoStats& StorageIoBase::stats() const {
  stats_.buffers_acquired = pool_->counts().acquired;
  stats_.buffers_returned = pool_->counts().returned;
  return stats_;
}

absl::Status StorageIoBase::AddBuffers(uint32_t, uint32_t) { return absl::OkStatus(); }
absl::Status StorageIoBase::DropBuffers(uint32_t, uint32_t) { return absl::OkStatus(); }

// Whether there are more buffers now. Two or three system calls, which are rare: each growth is by
// half, and after a refusal there is none.
bool StorageIoBase::GrowPool() {
  const uint32_t from = pool_->buffers();
  const uint32_t to = pool_sizer_.GrowTo(from);
  if (to == from) return false;
  absl::Status grown = pool_->Grow(to);
  if (grown.ok()) {
    grown = AddBuffers(from, to);
    if (!grown.ok()) pool_->Shrink(from);
  }
  if (!grown.ok()) {
    pool_sizer_.Refused();
    ++stats_.pool_growths_refused;
    if (stats_.pool_growths_refused == 1) {
      capabilities_.fallback_reasons.push_back(absl::StrCat("the pool stays at ", from,
                                                            " of up to ", pool_->buffers_max(),
                                                            " buffers: ", grown.message()));
    }
    return false;
  }
  pool_->FreeNew();
  pool_sizer_.Grown(Now());
  ++stats_.pool_growths;
  capabilities_.buffers = to;
  capabilities_.buffers_locked = pool_->memory().locked();
  return true;
}

void StorageIoBase::ShrinkPoolIfIdle() {
  const uint32_t from = pool_->buffers();
  if (!pool_sizer_.MayShrink(from) || !pool_sizer_.TimeToShrink(Now())) return;
  const uint32_t to = pool_->CanShrinkTo(pool_sizer_.ShrinkTo(pool_->TakeInUseMax()));
  if (to == from || !DropBuffers(to, from).ok()) return;
  pool_->Shrink(to);
  pool_sizer_.Shrunk();
  ++stats_.pool_shrinks;
  capabilities_.buffers = to;
}

void StorageIoBase::DropOperations() {
  operations_.ForEach([this](Operation& op) {
    if (!op.buffer) return;
    pool_->Land(op.buffer);
    op.buffer.Return();
  });
}

}  // namespace corewal
