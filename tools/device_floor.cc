#include "tools/device_floor.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/human_units.h"
#include "tools/median.h"

namespace corewal {
namespace {

constexpr char kFileName[] = ".wal-bench-floor";
constexpr double kNsPerS = 1e9;

MonotonicNs Now() { return Clock::System().Now(); }
double Seconds(MonotonicNs from, MonotonicNs to) {
  return static_cast<double>(to - from) / kNsPerS;
}

// Transfers all of it; a short transfer goes on behind what was done.
absl::Status WriteAll(int fd, const std::byte* data, uint64_t bytes, uint64_t offset, int flags) {
  uint64_t done = 0;
  while (done < bytes) {
    const iovec rest{const_cast<std::byte*>(data) + done, bytes - done};
    const ssize_t written = pwritev2(fd, &rest, 1, static_cast<off_t>(offset + done), flags);
    if (written > 0) {
      done += static_cast<uint64_t>(written);
    } else if (written == 0 || errno != EINTR) {
      return ErrnoStatus(written == 0 ? EIO : errno, "pwritev2", kFileName,
                         {.offset = offset + done, .length = bytes - done});
    }
  }
  return absl::OkStatus();
}

absl::Status DataSync(int fd) {
  return fdatasync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "fdatasync", kFileName);
}

// The first error of several threads.
class SharedStatus {
 public:
  void Update(const absl::Status& status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    status_.Update(status);
    failed_.store(true, std::memory_order_relaxed);
  }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  absl::Status status() const { return status_; }  // after the threads have ended

 private:
  std::mutex mutex_;
  absl::Status status_;
  std::atomic<bool> failed_{false};
};

void RunThreads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 1; i < count; ++i) threads.emplace_back(work, i);
  work(0);
  for (std::thread& thread : threads) thread.join();
}

// Writes transfer after transfer until the deadline, in whole groups of kSyncEveryBytes; whoever
// completes a group's last write syncs, while the others go on with the next group.
class StreamWriter {
 public:
  static constexpr uint64_t kGroup = DeviceFloor::kSyncEveryBytes / DeviceFloor::kTransferBytes;

  StreamWriter(int fd, const std::byte* data, uint64_t file_bytes, uint64_t first, MonotonicNs end)
      : fd_(fd),
        data_(data),
        file_transfers_(file_bytes / DeviceFloor::kTransferBytes),
        first_(first),
        end_(end) {}

  void Run() {
    while (!shared_.failed()) {
      const uint64_t i = next_.fetch_add(1);
      const uint64_t group = i / kGroup;
      if (i % kGroup == 0 && (Now() >= end_ || group == kGroupsMax)) StopAt(group);
      if (group >= stop_at_.load()) return;
      const uint64_t offset = (first_ + i) % file_transfers_ * DeviceFloor::kTransferBytes;
      shared_.Update(WriteAll(fd_, data_, DeviceFloor::kTransferBytes, offset, 0));
      if (done_[group].fetch_add(1) + 1 == kGroup) shared_.Update(DataSync(fd_));
    }
  }
  // All of them are synced. What was written of later groups is not counted.
  uint64_t transfers() const { return stop_at_.load() * kGroup; }
  absl::Status status() const { return shared_.status(); }

 private:
  static constexpr size_t kGroupsMax = 8192;  // 128 GiB, far more than a slice is meant to write

  // Only ever moves down, so a group below the final value was left out by nobody.
  void StopAt(uint64_t group) {
    uint64_t now = stop_at_.load();
    while (group < now && !stop_at_.compare_exchange_weak(now, group)) {
    }
  }

  const int fd_;
  const std::byte* const data_;
  const uint64_t file_transfers_;
  const uint64_t first_;
  const MonotonicNs end_;
  std::atomic<uint64_t> next_{0};
  std::atomic<uint64_t> stop_at_{UINT64_MAX};             // first group that is not written
  std::array<std::atomic<uint32_t>, kGroupsMax> done_{};  // writes completed, of each group
  SharedStatus shared_;
};

struct ReadPiece {
  size_t file;
  uint64_t offset;
};

absl::Status ReadPieceOf(const OpenFile& file, uint64_t offset, std::byte* buffer,
                         std::atomic<uint64_t>* bytes) {
  const uint64_t length = std::min(DeviceFloor::kTransferBytes, file.facts().size_bytes - offset);
  uint64_t done = 0;
  while (done < length) {
    // With O_DIRECT a whole transfer is asked for: the file's end may be anywhere.
    const ssize_t got = pread(file.fd(), buffer + done, DeviceFloor::kTransferBytes - done,
                              static_cast<off_t>(offset + done));
    if (got == 0) break;
    if (got < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "pread", file.path(), {.offset = offset + done});
    }
    if (got > 0) done += static_cast<uint64_t>(got);
  }
  bytes->fetch_add(done, std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceFloor>> DeviceFloor::Create(const Options& options) {
  CHECK_EQ(options.file_bytes % kSyncEveryBytes, 0u);
  CHECK_EQ(options.commit_bytes % 4096, 0u);
  FileSystem& files = FileSystem::Host();
  const std::string path = absl::StrCat(options.directory, "/", kFileName);
  (void)files.Remove(path);  // of a run that was killed between creating and removing it
  ASSIGN_OR_RETURN(OpenFile file, files.Open(path, {.access = OpenOptions::Access::kCreate,
                                                    .direct = options.direct}));
  RETURN_IF_ERROR(files.Remove(path));
  ASSIGN_OR_RETURN(AlignedMemory memory, AlignedMemory::Allocate(std::max(
                                             options.commit_bytes, kThreads * kTransferBytes)));
  // Not zeros, which a device or what is below it may treat in its own way.
  for (size_t i = 0; i < memory.size(); ++i) {
    memory.data()[i] = static_cast<std::byte>((i * 2654435761u) >> 13);
  }
  auto floor = absl::WrapUnique(new DeviceFloor(options, std::move(file), std::move(memory)));
  RETURN_IF_ERROR(floor->Prewrite());
  return floor;
}

DeviceFloor::DeviceFloor(const Options& options, OpenFile file, AlignedMemory memory)
    : options_(options), file_(std::move(file)), memory_(std::move(memory)) {}

absl::Status DeviceFloor::Prewrite() {
  if (const int error = posix_fallocate(file_.fd(), 0, static_cast<off_t>(options_.file_bytes))) {
    return ErrnoStatus(error, "posix_fallocate", options_.directory,
                       {.length = options_.file_bytes});
  }
  for (uint64_t offset = 0; offset < options_.file_bytes; offset += kTransferBytes) {
    RETURN_IF_ERROR(WriteAll(file_.fd(), memory_.data(), kTransferBytes, offset, 0));
  }
  return fsync(file_.fd()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "fsync", kFileName);
}

absl::Status DeviceFloor::CommitOnce(bool dsync) {
  if (next_commit_ + options_.commit_bytes > options_.file_bytes) next_commit_ = 0;
  RETURN_IF_ERROR(WriteAll(file_.fd(), memory_.data(), options_.commit_bytes, next_commit_,
                           dsync ? RWF_DSYNC : 0));
  next_commit_ += options_.commit_bytes;
  return dsync ? absl::OkStatus() : DataSync(file_.fd());
}

absl::Status DeviceFloor::CommitSliceOf(Way& way, bool dsync, double seconds) {
  const MonotonicNs begin = Now();
  const MonotonicNs end = begin + static_cast<MonotonicNs>(seconds * kNsPerS);
  MonotonicNs last = begin;
  uint64_t commits = 0;
  do {
    RETURN_IF_ERROR(CommitOnce(dsync));
    const MonotonicNs now = Now();
    way.latency_ns.Record(static_cast<uint64_t>(now - last));
    last = now;
    ++commits;
  } while (last < end);
  way.rates.push_back(static_cast<double>(commits) / Seconds(begin, last));
  return absl::OkStatus();
}

absl::Status DeviceFloor::CommitSlice(double seconds) {
  RETURN_IF_ERROR(CommitSliceOf(dsync_, true, seconds / 2));
  return CommitSliceOf(datasync_, false, seconds / 2);
}

absl::Status DeviceFloor::StreamSliceOf(Way& way, int threads, double seconds) {
  const MonotonicNs begin = Now();
  StreamWriter writer(file_.fd(), memory_.data(), options_.file_bytes, next_stream_,
                      begin + static_cast<MonotonicNs>(seconds * kNsPerS));
  RunThreads(threads, [&](int) { writer.Run(); });
  const MonotonicNs end = Now();
  RETURN_IF_ERROR(writer.status());
  next_stream_ += writer.transfers();
  const auto bytes = static_cast<double>(writer.transfers() * kTransferBytes);
  way.rates.push_back(bytes / 1e6 / Seconds(begin, end));
  return absl::OkStatus();
}

absl::Status DeviceFloor::StreamSlice(double seconds) {
  RETURN_IF_ERROR(StreamSliceOf(single_, 1, seconds / 2));
  return StreamSliceOf(several_, kThreads, seconds / 2);
}

absl::Status DeviceFloor::ReadSlice(const std::vector<std::string>& paths) {
  std::vector<OpenFile> files;
  std::vector<ReadPiece> pieces;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(OpenFile file,
                     FileSystem::Host().Open(
                         path, {.access = OpenOptions::Access::kRead, .direct = options_.direct}));
    // Clean pages only; the log's are clean, since it synced them.
    posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
    for (uint64_t offset = 0; offset < file.facts().size_bytes; offset += kTransferBytes) {
      pieces.push_back({files.size(), offset});
    }
    reads_direct_ = file.facts().direct;
    files.push_back(std::move(file));
  }
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes{0};
  SharedStatus shared;
  const MonotonicNs begin = Now();
  RunThreads(kThreads, [&](int thread) {
    std::byte* const buffer = memory_.data() + static_cast<uint64_t>(thread) * kTransferBytes;
    for (size_t i; !shared.failed() && (i = next.fetch_add(1)) < pieces.size();) {
      shared.Update(ReadPieceOf(files[pieces[i].file], pieces[i].offset, buffer, &bytes));
    }
  });
  const MonotonicNs end = Now();
  RETURN_IF_ERROR(shared.status());
  reads_.rates.push_back(static_cast<double>(bytes.load()) / 1e6 / Seconds(begin, end));
  return absl::OkStatus();
}

const DeviceFloor::Way& DeviceFloor::Better(const Way& a, const Way& b) {
  return Median(a.rates) >= Median(b.rates) ? a : b;
}

double DeviceFloor::commits_per_s() const { return Median(Better(dsync_, datasync_).rates); }
double DeviceFloor::commit_p50_us() const {
  return static_cast<double>(Better(dsync_, datasync_).latency_ns.Percentile(0.5)) / 1e3;
}
double DeviceFloor::dsync_commits_per_s() const { return Median(dsync_.rates); }
double DeviceFloor::datasync_commits_per_s() const { return Median(datasync_.rates); }
double DeviceFloor::stream_mb_per_s() const { return Median(Better(single_, several_).rates); }
double DeviceFloor::read_mb_per_s() const { return Median(reads_.rates); }

std::string DeviceFloor::CommitHow() const {
  return absl::StrCat(Better(dsync_, datasync_).name, ", ", HumanBytes(options_.commit_bytes),
                      ", one at a time, ", direct() ? "O_DIRECT" : "buffered", ", prewritten file");
}
std::string DeviceFloor::StreamHow() const {
  return absl::StrCat("1 MiB writes, a sync every 16 MiB, ", Better(single_, several_).name, ", ",
                      direct() ? "O_DIRECT" : "buffered", ", prewritten file");
}
std::string DeviceFloor::ReadHow() const {
  return absl::StrCat("1 MiB reads, ", reads_.name, ", ",
                      reads_direct_ ? "O_DIRECT" : "page cache dropped", ", the log's files");
}

}  // namespace corewal
