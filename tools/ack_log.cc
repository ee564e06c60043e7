#include "tools/ack_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "base/errno_status.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<AckLog>> AckLog::Open(const std::string& path, uint32_t shards) {
  if (path == "-") return absl::WrapUnique(new AckLog(STDOUT_FILENO, "standard output", shards));
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  return absl::WrapUnique(new AckLog(fd, path, shards));
}

AckLog::AckLog(int fd, std::string path, uint32_t shards)
    : fd_(fd), path_(std::move(path)), shards_(shards) {}

AckLog::~AckLog() {
  if (fd_ != STDOUT_FILENO) close(fd_);
}

void AckLog::Note(ShardId shard, uint64_t seq, Lsn lsn) {
  const std::lock_guard lock(mutex_);
  AckLine& noted = shards_[ToIndex(shard)].noted;
  if (seq > noted.seq) noted = {shard, seq, lsn};
}

void AckLog::Print() {
  const std::lock_guard lock(mutex_);
  for (Shard& shard : shards_) {
    if (shard.noted.seq == shard.printed_seq || !status_.ok()) continue;
    AckLineBuffer buffer;
    const absl::string_view line = FormatAckLine(shard.noted, &buffer);
    // One call for a line: a partial one means a full disk or a pipe whose reader has gone.
    ssize_t written;
    do {
      written = write(fd_, line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    if (written != static_cast<ssize_t>(line.size())) {
      status_ = ErrnoStatus(written < 0 ? errno : ENOSPC, "write", path_);
      continue;
    }
    shard.printed_seq = shard.noted.seq;
  }
}

absl::Status AckLog::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace corewal
