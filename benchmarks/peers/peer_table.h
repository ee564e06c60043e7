// benchmarks/peers/peer_table.h: the peers by name. The head of each source says how it is set up.
#ifndef COREWAL_BENCHMARKS_PEERS_PEER_TABLE_H_
#define COREWAL_BENCHMARKS_PEERS_PEER_TABLE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/run_config.h"

namespace corewal::peers {

std::unique_ptr<Peer> MakeRawSerial(const RunConfig& config);
std::unique_ptr<Peer> MakeRawGroup(const RunConfig& config);
std::unique_ptr<Peer> MakeRawStream(const RunConfig& config);
std::unique_ptr<Peer> MakeRocksdb(const RunConfig& config);     // tuned as a pure log
std::unique_ptr<Peer> MakeRocksdbPut(const RunConfig& config);  // plain use
std::unique_ptr<Peer> MakeLeveldb(const RunConfig& config);
std::unique_ptr<Peer> MakeBdb(const RunConfig& config);
std::unique_ptr<Peer> MakeWiredtiger(const RunConfig& config);       // one sync request per record
std::unique_ptr<Peer> MakeWiredtigerGroup(const RunConfig& config);  // per group of clients
std::unique_ptr<Peer> MakeSqlite(const RunConfig& config);           // one transaction per record
std::unique_ptr<Peer> MakeSqliteGroup(const RunConfig& config);      // per group of clients
std::unique_ptr<Peer> MakePostgres(const RunConfig& config);

// The peer that `config` names. InvalidArgument: there is none; the message lists them.
absl::StatusOr<std::unique_ptr<Peer>> MakePeer(const RunConfig& config);

// "bdb, leveldb, ..."
std::string PeerNames();

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_PEER_TABLE_H_
