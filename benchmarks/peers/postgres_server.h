// benchmarks/peers/postgres_server.h: a PostgreSQL server that is private to one run.
//
// Its files are below the run's directory, its Unix socket in a directory of its own below /tmp. It
// refuses to run as root, so as root it runs as the user postgres.
// Thread: one at a time. Failure: ends the program.
#ifndef COREWAL_BENCHMARKS_PEERS_POSTGRES_SERVER_H_
#define COREWAL_BENCHMARKS_PEERS_POSTGRES_SERVER_H_

#include <map>
#include <string>

#include "benchmarks/peers/peer.h"

namespace corewal::peers {

class PostgresServer {
 public:
  // `programs`: the directory of pg_ctl; empty: Debian's.
  PostgresServer(const std::string& directory, const std::string& programs);

  // Makes a fresh cluster with these lines in its postgresql.conf.
  void Initialize(const std::string& settings);
  void Start();
  void Stop(const std::string& how);  // fast, or immediate: as in a crash
  void RemoveSocket();

  // For PQconnectdb.
  std::string ConnectionText() const;
  // What the server logged since "redo done at " of its last start.
  std::string RedoLine() const;
  // How many logical messages the WAL holds behind the last checkpoint; "" if that fails.
  std::string MessagesInWal() const;

  // CPU and writes of the server's processes. One that has ended keeps the numbers that it had
  // when it was last seen.
  ServerUse Use();

 private:
  void Run(const std::string& command);
  std::string OutputLine(const std::string& command, const std::string& line_start) const;
  void Look(long pid, long postmaster);

  const std::string directory_;  // of the run
  const std::string data_;
  const std::string log_;
  const std::string socket_;
  std::string programs_;
  std::map<long, ServerUse> seen_;
};

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_POSTGRES_SERVER_H_
