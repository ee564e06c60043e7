#include "io_backend/storage_io_factory.h"

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "io_backend/posix_storage_io.h"
#include "io_backend/uring_storage_io.h"

namespace corewal {
namespace {

absl::Status CheckRange(absl::string_view name, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, ", must be ", min, " to ", max));
}

absl::Status CheckOptions(const StorageIoOptions& options) {
  RETURN_IF_ERROR(CheckRange("queue_depth", options.queue_depth, 1, 4096));
  RETURN_IF_ERROR(CheckRange("file_slots", options.file_slots, 1, 32768));
  RETURN_IF_ERROR(CheckRange("buffers", options.buffers, 1, 16384));
  RETURN_IF_ERROR(CheckRange("buffer_bytes", options.buffer_bytes, 4096, 64u << 20));
  if (options.buffers_max != 0) {
    RETURN_IF_ERROR(CheckRange("buffers_max", options.buffers_max, options.buffers, 16384));
  }
  RETURN_IF_ERROR(CheckRange("ring_buffers", options.ring_buffers, 1, 4096));
  if (!std::has_single_bit(options.ring_buffers)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ring_buffers is ", options.ring_buffers, ", must be a power of two"));
  }
  RETURN_IF_ERROR(
      CheckRange("file_in_flight_max", options.file_in_flight_max, 0, options.queue_depth));
  if (options.buffer_bytes % 4096 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("buffer_bytes is ", options.buffer_bytes, ", must be a multiple of 4096"));
  }
  return absl::OkStatus();
}

// What only a ring has, and `options` insist on; null if nothing.
const char* NeedsRing(const StorageIoOptions& options) {
  if (options.sqpoll == Want::kOn) return "sqpoll";
  if (options.registered_buffers == Want::kOn) return "registered_buffers";
  if (options.registered_files == Want::kOn) return "registered_files";
  return nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorageIo>> CreateStorageIo(const StorageIoOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  const char* const needs_ring = NeedsRing(options);
  std::vector<std::string> reasons;
  if (options.backend != IoBackend::kPosix) {
    absl::StatusOr<std::unique_ptr<StorageIo>> ring = UringStorageIo::Create(options);
    // Lack of memory is no better with posix; lack of a ring is.
    if (ring.ok() || !absl::IsFailedPrecondition(ring.status())) return ring;
    if (options.backend == IoBackend::kUring || needs_ring != nullptr) return ring;
    reasons.emplace_back(ring.status().message());
  } else if (needs_ring != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        needs_ring, " is required, but backend posix has no ring; use backend uring or auto"));
  }
  return PosixStorageIo::Create(options, std::move(reasons));
}

}  // namespace corewal
