#include "uring/file_table.h"

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace corewal {
namespace {

absl::Status Update(Ring& ring, uint32_t slot, int fd) {
  const int result = io_uring_register_files_update(ring.raw(), slot, &fd, 1);
  if (result == 1) return absl::OkStatus();
  return ErrnoStatus(result < 0 ? -result : EIO, "io_uring_register(FILES_UPDATE)",
                     absl::StrCat("slot ", slot));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileTable>> FileTable::Create(Ring* ring, uint32_t slots) {
  int result = io_uring_register_files_sparse(ring->raw(), slots);  // Linux 5.19
  if (result == -EINVAL) {
    const std::vector<int> empty(slots, -1);
    result = io_uring_register_files(ring->raw(), empty.data(), slots);
  }
  if (result < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("registering a table of ", slots, " files: ", ErrnoName(-result),
                     result == -EMFILE ? "; raise the limit with ulimit -n" : ""));
  }
  return std::unique_ptr<FileTable>(new FileTable(ring));
}

FileTable::~FileTable() {
  if (ring_ != nullptr && owner_.Identify() == ThreadOwner::Caller::kOwner) {
    (void)io_uring_unregister_files(ring_->raw());
  }
}

absl::Status FileTable::Install(uint32_t slot, int fd) { return Update(*ring_, slot, fd); }
absl::Status FileTable::Clear(uint32_t slot) { return Update(*ring_, slot, -1); }

}  // namespace corewal
