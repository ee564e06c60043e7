#include "benchmarks/peers/peer_table.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal::peers {
namespace {

struct Entry {
  absl::string_view name;
  std::unique_ptr<Peer> (*make)(const RunConfig&);
};

constexpr Entry kPeers[] = {
    {"raw-serial", MakeRawSerial},
    {"raw-group", MakeRawGroup},
    {"raw-stream", MakeRawStream},
    {"rocksdb", MakeRocksdb},
    {"rocksdb-put", MakeRocksdbPut},
    {"leveldb", MakeLeveldb},
    {"bdb", MakeBdb},
    {"wiredtiger", MakeWiredtiger},
    {"wiredtiger-group", MakeWiredtigerGroup},
    {"sqlite", MakeSqlite},
    {"sqlite-group", MakeSqliteGroup},
    {"postgres", MakePostgres},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Peer>> MakePeer(const RunConfig& config) {
  for (const Entry& entry : kPeers) {
    if (entry.name == config.peer) return entry.make(config);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--peer=", config.peer, ": expected one of ", PeerNames()));
}

std::string PeerNames() {
  std::string names;
  for (const Entry& entry : kPeers) absl::StrAppend(&names, names.empty() ? "" : ", ", entry.name);
  return names;
}

}  // namespace corewal::peers
