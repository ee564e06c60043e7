// wal/sync_method.h: how a log makes its writes durable, and which way is fastest here.
//
//   dsync          a batch with nothing under way before it is one RWF_DSYNC write; batches that
//                  follow closely are written plainly, and a datasync covers them together
//   datasync       plain writes, then fdatasync; a lone operation goes by system call
//   ring_datasync  the same, always through the ring (io_uring only; posix treats it as datasync)
//
// No method wins on every device (FACTS: 83 600/s against 62 000/s on one disk, 248/s against 594/s
// on another), so kAuto measures once per log directory and remembers.
#ifndef COREWAL_WAL_SYNC_METHOD_H_
#define COREWAL_WAL_SYNC_METHOD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"

namespace corewal {

enum class SyncMethod : uint8_t { kAuto, kDsync, kDatasync, kRingDatasync };

absl::string_view SyncMethodName(SyncMethod method);  // "ring-datasync"
std::optional<SyncMethod> ParseSyncMethod(absl::string_view name);

struct SyncProbe {
  SyncMethod best = SyncMethod::kDatasync;
  double dsync_us = 0;  // lower quartile of one 4 KiB durable write
  double datasync_us = 0;
  std::string ToString() const;  // "dsync 104 us, datasync 119 us"
};

// What to make of single times, in ns. Other work on the machine only ever adds to a time, so the
// lower quartile is what the device does, and stays put under load where the median moves. A method
// within 10 % of the other is not better, so that the choice does not depend on noise: then it is
// kDsync, one system call where the other needs two. Without times: kDatasync, which needs nothing
// of the device.
SyncProbe JudgeSyncTimes(std::vector<MonotonicNs> dsync, std::vector<MonotonicNs> datasync);

// Times both methods, interleaved and in alternating order, on a small prewritten file in
// `directory`, which it removes. Takes about 100 ms, at most `budget_ms` plus one operation. `io`
// must have nothing in flight.
absl::StatusOr<SyncProbe> ProbeSyncMethod(FileSystem& files, StorageIo& io,
                                          const std::string& directory, DirectMode direct,
                                          uint32_t budget_ms = 100);

}  // namespace corewal

#endif  // COREWAL_WAL_SYNC_METHOD_H_
