// wal/lsn.h: the numbers that place a record: LSN, shard, epoch, incarnation, and the log's UUID.
#ifndef COREWAL_WAL_LSN_H_
#define COREWAL_WAL_LSN_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/strong_int.h"

namespace corewal {

// Log sequence number: a byte position in one shard's log. A record's LSN is the position of its
// framing header. LSNs of a shard only grow, also across reopening, but not without gaps: segment
// and batch headers, padding and the unused ends of segments take positions too. No record has
// LSN 0, which stands for "none" and for "before everything".
using Lsn = StrongInt<struct LsnTag>;

// A cut over all shards; see DESIGN section 9. Starts at 0, only grows.
using Epoch = StrongInt<struct EpochTag>;

// Index of a log in its engine, 0 .. 65535.
enum class ShardId : uint32_t {};
inline constexpr uint32_t ToIndex(ShardId shard) { return static_cast<uint32_t>(shard); }

// One opening of a log for writing, or its going on behind a record that it gave up: the count of
// these in the upper 32 bits orders them, random lower 32 bits tell two attempts with the same
// count apart (the first crashed before anything of it was durable).
struct Incarnation {
  uint64_t bits = 0;
  uint32_t count() const { return static_cast<uint32_t>(bits >> 32); }
  friend auto operator<=>(Incarnation, Incarnation) = default;
};

struct LogUuid {
  std::array<std::byte, 16> bytes{};
  friend bool operator==(const LogUuid&, const LogUuid&) = default;
  bool is_zero() const { return *this == LogUuid{}; }
  std::string ToString() const;  // 8-4-4-4-12 lower-case hex
  static LogUuid Random();       // from getrandom(2)
  // The form that ToString makes. InvalidArgument for any other.
  static absl::StatusOr<LogUuid> Parse(absl::string_view text);
};

}  // namespace corewal

#endif  // COREWAL_WAL_LSN_H_
