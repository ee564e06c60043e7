// benchmarks/peers/run_config.h: what one run of peerbench was asked to do.
//
// The flags are those of `peerbench --help`; each is read here and nowhere else.
#ifndef COREWAL_BENCHMARKS_PEERS_RUN_CONFIG_H_
#define COREWAL_BENCHMARKS_PEERS_RUN_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corewal::peers {

inline constexpr size_t kMiB = size_t{1} << 20;
// Async mode: each client makes this many bytes durable at once.
inline constexpr size_t kSyncEveryBytes = kMiB;

enum class Mode : uint8_t { kCommit, kAsync, kRecover };
absl::string_view ModeName(Mode mode);

struct RunConfig {
  std::string peer;
  Mode mode = Mode::kCommit;
  std::string directory;  // as given; then the private directory of this run
  size_t record_bytes = 1024;
  int clients = 1;
  double seconds = 3;
  size_t recover_mib = 1024;
  bool cold = true;   // recover: drop the log's pages from the page cache first
  bool keep = false;  // leave the private directory there
  std::map<std::string, std::string> options;  // of the peer: --opt=KEY=VALUE,...

  bool commit() const { return mode == Mode::kCommit; }
  bool async() const { return mode == Mode::kAsync; }
  bool recover() const { return mode == Mode::kRecover; }
  std::string Option(const std::string& key, const std::string& otherwise) const;
  int64_t IntOption(const std::string& key, int64_t otherwise) const;

  // How many records the recover mode writes.
  uint64_t RecoverRecords() const { return recover_mib * kMiB / record_bytes; }
  // How much log to write before the clock starts, for the peers that overwrite old log space once
  // they have run for a while: what a run at `async_bytes_per_s` would fill; 128 MiB to 3 GiB.
  size_t PrefillBytes(double async_bytes_per_s = 800e6) const;
};

// Parses the command line. InvalidArgument: one line that says what is wrong and what to do.
absl::StatusOr<RunConfig> ParseRunConfig(absl::Span<char* const> arguments);

// What --help prints, but for the names of the peers.
absl::string_view PeerbenchHelp();

}  // namespace corewal::peers

#endif  // COREWAL_BENCHMARKS_PEERS_RUN_CONFIG_H_
