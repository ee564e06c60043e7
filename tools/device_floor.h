// tools/device_floor.h: what raw system calls reach on the same file system, in the same run.
//
//   commits   one block, durable, one at a time: the better of pwritev2(RWF_DSYNC) and
//             pwrite + fdatasync
//   stream    1 MiB writes, durable every 16 MiB: the better of one in flight and of several, where
//             the sync of one 16 MiB runs beside the writes of the next
//   reads     1 MiB reads, several in flight, of files that are not in the page cache
//
// All writes go in place to a file that was written before (no metadata to sync), with O_DIRECT if
// the log uses it. Every figure counts durable bytes only: a slice ends with its last sync.
// The caller interleaves slices with its own work; figures are medians over the slices.
// The file has no name any more once it is open, so nothing is left behind, whatever happens.
// Thread: one at a time; stream and reads start threads of their own for the time of the call.
#ifndef COREWAL_TOOLS_DEVICE_FLOOR_H_
#define COREWAL_TOOLS_DEVICE_FLOOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/aligned_memory.h"
#include "base/histogram.h"
#include "io_backend/file_system.h"

namespace corewal {

class DeviceFloor {
 public:
  static constexpr uint64_t kTransferBytes = 1u << 20;
  static constexpr uint64_t kSyncEveryBytes = 16u << 20;
  static constexpr int kThreads = 4;

  struct Options {
    std::string directory;
    DirectMode direct = DirectMode::kAuto;
    uint64_t file_bytes = 256u << 20;  // a multiple of kSyncEveryBytes; writes wrap at its end
    uint64_t commit_bytes = 4096;      // one commit's write; a multiple of 4096, at most 64 MiB
  };
  // Makes and writes the file, which takes as long as the device needs for file_bytes.
  static absl::StatusOr<std::unique_ptr<DeviceFloor>> Create(const Options& options);

  // Each measures a slice of about `seconds`, half of it each way.
  absl::Status CommitSlice(double seconds);
  absl::Status StreamSlice(double seconds);
  // Reads all of `paths` once.
  absl::Status ReadSlice(const std::vector<std::string>& paths);

  // Of each slice, by the way that is better over all of them: the better way of each single slice
  // would be the luckier one, and harder than the floor's name says.
  const std::vector<double>& commit_rates() const { return Better(dsync_, datasync_).rates; }
  const std::vector<double>& stream_rates() const { return Better(single_, several_).rates; }
  const std::vector<double>& read_rates() const { return reads_.rates; }

  // Medians over the slices so far, of the better way.
  double commits_per_s() const;
  double commit_p50_us() const;
  double stream_mb_per_s() const;
  double read_mb_per_s() const;
  // "pwritev2(RWF_DSYNC), 4 KiB, one at a time, O_DIRECT"
  std::string CommitHow() const;
  std::string StreamHow() const;
  std::string ReadHow() const;

  bool direct() const { return file_.facts().direct; }
  // Each way to commit, for whoever has to choose.
  double dsync_commits_per_s() const;
  double datasync_commits_per_s() const;

 private:
  // One way to do the work, and what its slices measured.
  struct Way {
    const char* name;
    std::vector<double> rates;
    Histogram latency_ns;
  };

  DeviceFloor(const Options& options, OpenFile file, AlignedMemory memory);
  absl::Status Prewrite();
  absl::Status CommitOnce(bool dsync);
  absl::Status CommitSliceOf(Way& way, bool dsync, double seconds);
  absl::Status StreamSliceOf(Way& way, int threads, double seconds);
  static const Way& Better(const Way& a, const Way& b);

  const Options options_;
  const OpenFile file_;
  const AlignedMemory memory_;  // what is written; read into, one part for each thread
  uint64_t next_commit_ = 0;    // offsets, where the next write goes
  uint64_t next_stream_ = 0;
  Way dsync_{"pwritev2(RWF_DSYNC)", {}, {}};
  Way datasync_{"pwrite + fdatasync", {}, {}};
  Way single_{"one in flight", {}, {}};
  Way several_{"four in flight, syncs beside writes", {}, {}};
  Way reads_{"four in flight", {}, {}};
  bool reads_direct_ = false;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_DEVICE_FLOOR_H_
