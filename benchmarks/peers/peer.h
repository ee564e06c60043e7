// benchmarks/peers/peer.h: somebody's write-ahead log, as the benchmark drives it.
//
//   commit, async:  Setup, NewClient on each client thread, ..., Teardown
//   recover:        in a child: Setup, NewClient(0), ..., CrashAfterWrite; in the parent: Recover
//
// Nothing is allocated with base/aligned_memory.h before Setup: it would not exist in the child.
// Failure: any fault ends the program (die.h).
#ifndef COREWAL_BENCHMARKS_PEERS_PEER_H_
#define COREWAL_BENCHMARKS_PEERS_PEER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "benchmarks/peers/die.h"
#include "benchmarks/peers/run_config.h"
#include "tools/cpu_time.h"

namespace corewal::peers {

// One per client thread; created, used and destroyed on that thread. A record is valid during the
// call, and followed by a NUL that is no part of it.
class Client {
 public:
  virtual ~Client() = default;
  virtual void Commit(absl::string_view record) = 0;  // returns once it is durable
  virtual void Append(absl::string_view record) = 0;  // may buffer
  virtual void Sync() = 0;                            // makes this client's appends durable
  virtual void Finish() { Sync(); }                   // async: the last call
};

// The timed part of a recovery.
struct RecoverResult {
  double seconds = 0;
  CpuTime cpu;
  uint64_t records = 0;
};

// What a peer did outside this process.
struct ServerUse {
  double cpu_s = 0;
  uint64_t writes = 0;
  uint64_t bytes_written = 0;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual void Setup() = 0;  // a fresh log in the config's directory
  virtual std::unique_ptr<Client> NewClient(int id) = 0;
  virtual void Teardown() = 0;
  // Runs in a process that did not write the log; the writer has exited without closing it. Times
  // only the reading.
  virtual RecoverResult Recover() { Die("this peer has no recover mode"); }
  virtual void CrashAfterWrite() {}  // recover: the writer's last act
  virtual ServerUse Server() { return {}; }
  // After Teardown: the syncs that a server did for so many records; -1: it has no server.
  virtual double ServerSyncs(uint64_t /*records*/) { return -1; }

  // The settings in effect, for whoever reads the figures.
  const std::string& notes() const { return notes_; }

 protected:
  std::string notes_;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_PEER_H_
