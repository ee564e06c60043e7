#include "base/errno_status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace corewal {
namespace {

TEST(ErrnoStatusTest, NamesCallPlaceAndCause) {
  const absl::Status status =
      ErrnoStatus(ENOSPC, "pwrite", "dir/0000000000000003.wal", {.offset = 8192, .length = 4096});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "pwrite dir/0000000000000003.wal, 4096 bytes at offset 8192: No space left on device "
            "(ENOSPC)");
}

TEST(ErrnoStatusTest, PlaceIsOptionalAndUnknownNumbersStayReadable) {
  EXPECT_EQ(ErrnoStatus(EIO, "fdatasync", "f").message(), "fdatasync f: Input/output error (EIO)");
  EXPECT_EQ(ErrnoStatus(EIO, "fdatasync", "f").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ErrnoName(4711), "errno 4711");
}

}  // namespace
}  // namespace corewal
