#include "tools/ack_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "tools/ack_line.h"

namespace corewal {

absl::StatusOr<AckTable> AckTable::Read(const std::string& file) {
  AckTable table;
  if (file == "-") {
    RETURN_IF_ERROR(table.ReadFrom(STDIN_FILENO, "standard input"));
  } else {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus(errno, "open", file);
    const absl::Status status = table.ReadFrom(fd, file);
    close(fd);
    RETURN_IF_ERROR(status);
  }
  table.SortBySequence();
  return table;
}

absl::Status AckTable::ReadFrom(int fd, const std::string& name) {
  std::vector<char> buffer(1u << 20);
  size_t filled = 0;
  uint64_t line_number = 0;
  while (true) {
    const ssize_t got = read(fd, buffer.data() + filled, buffer.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", name);
    if (got == 0) break;
    filled += static_cast<size_t>(got);

    absl::string_view rest(buffer.data(), filled);
    for (size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      ++line_number;
      const absl::StatusOr<AckLine> ack = ParseAckLine(rest.substr(0, end));
      if (!ack.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ", line ", line_number, ": ", ack.status().message()));
      }
      acks_[ack->shard].push_back({ack->seq, ack->lsn});
      rest.remove_prefix(end + 1);
    }
    if (rest.size() == buffer.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ", line ", line_number + 1, ": longer than any ACK line"));
    }
    filled = rest.size();
    std::memmove(buffer.data(), rest.data(), filled);
  }
  last_line_cut_ = filled > 0;
  return absl::OkStatus();
}

void AckTable::SortBySequence() {
  const auto before = [](const Ack& a, const Ack& b) { return a.seq < b.seq; };
  for (auto& [shard, acks] : acks_) {
    if (!std::is_sorted(acks.begin(), acks.end(), before)) {
      std::stable_sort(acks.begin(), acks.end(), before);
    }
  }
}

absl::Span<const AckTable::Ack> AckTable::Of(ShardId shard) const {
  const auto found = acks_.find(shard);
  if (found == acks_.end()) return {};
  return found->second;
}

std::vector<ShardId> AckTable::shards() const {
  std::vector<ShardId> shards;
  for (const auto& entry : acks_) shards.push_back(entry.first);
  return shards;
}

}  // namespace corewal
