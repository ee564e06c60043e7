#include "benchmarks/peers/run_config.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "tools/command_line.h"

// The help text of a flag completes the sentence "expected ..." in messages.
ABSL_FLAG(std::string, peer, "", "a peer's name; --help lists them");
ABSL_FLAG(std::string, mode, "commit", "commit, async or recover");
ABSL_FLAG(std::string, dir, "", "a directory on the disk to be measured");
ABSL_FLAG(int64_t, record_bytes, 1024, "a number from 16 to 1048576");
ABSL_FLAG(int32_t, clients, 1, "a number from 1 to 1023");
ABSL_FLAG(double, seconds, 3, "a number of seconds above 0");
ABSL_FLAG(int64_t, recover_mib, 1024, "MiB from 1 to 65536");
ABSL_FLAG(bool, cold, true, "on or off");
ABSL_FLAG(bool, keep, false, "on or off");
ABSL_FLAG(std::string, opt, "", "KEY=VALUE[,KEY=VALUE...]");

namespace corewal::peers {
namespace {

constexpr absl::string_view kFlags[] = {"peer", "mode", "dir",     "record_bytes", "clients",
                                        "cold", "keep", "seconds", "recover_mib",  "opt"};

absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, "=", value, ": expected ", expected));
}

absl::Status InRange(absl::string_view flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Bad(flag, absl::StrCat(value), absl::StrCat("a number from ", low, " to ", high));
}

absl::StatusOr<Mode> ParseMode(const std::string& name) {
  for (const Mode mode : {Mode::kCommit, Mode::kAsync, Mode::kRecover}) {
    if (name == ModeName(mode)) return mode;
  }
  return Bad("mode", name, "commit, async or recover");
}

std::map<std::string, std::string> ParseOptions(const std::string& text) {
  std::map<std::string, std::string> options;
  for (const absl::string_view piece : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::vector<std::string> pair = absl::StrSplit(piece, absl::MaxSplits('=', 1));
    options[pair[0]] = pair.size() > 1 ? pair[1] : "1";
  }
  return options;
}

}  // namespace

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kCommit:
      return "commit";
    case Mode::kAsync:
      return "async";
    case Mode::kRecover:
      return "recover";
  }
  return "?";
}

std::string RunConfig::Option(const std::string& key, const std::string& otherwise) const {
  const auto found = options.find(key);
  return found == options.end() ? otherwise : found->second;
}

int64_t RunConfig::IntOption(const std::string& key, int64_t otherwise) const {
  const auto found = options.find(key);
  int64_t value = 0;
  return found != options.end() && absl::SimpleAtoi(found->second, &value) ? value : otherwise;
}

size_t RunConfig::PrefillBytes(double async_bytes_per_s) const {
  const int64_t mib = IntOption("prefill_mib", -1);
  if (mib >= 0) return static_cast<size_t>(mib) * kMiB;
  const double bytes_per_s = async()                ? async_bytes_per_s
                             : record_bytes >= 8192 ? (clients > 1 ? 600e6 : 200e6)
                             : record_bytes >= 1024 ? 120e6
                                                    : 60e6;
  const auto wanted = static_cast<size_t>(bytes_per_s * (seconds + 0.5));
  return std::clamp(wanted, 128 * kMiB, 3072 * kMiB) / kMiB * kMiB;
}

absl::StatusOr<RunConfig> ParseRunConfig(absl::Span<char* const> arguments) {
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, ParseCommandLine(arguments, kFlags));
  if (!rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", rest[0], "\": peerbench takes flags only; --help lists them"));
  }
  RunConfig config;
  config.peer = absl::GetFlag(FLAGS_peer);
  ASSIGN_OR_RETURN(config.mode, ParseMode(absl::GetFlag(FLAGS_mode)));
  config.directory = absl::GetFlag(FLAGS_dir);
  if (config.directory.empty()) {
    return absl::InvalidArgumentError("--dir is missing; name a directory on the disk to measure");
  }
  const int64_t record_bytes = absl::GetFlag(FLAGS_record_bytes);
  RETURN_IF_ERROR(InRange("record_bytes", record_bytes, 16, 1 << 20));
  config.record_bytes = static_cast<size_t>(record_bytes);
  config.clients = absl::GetFlag(FLAGS_clients);
  RETURN_IF_ERROR(InRange("clients", config.clients, 1, 1023));
  config.seconds = absl::GetFlag(FLAGS_seconds);
  if (!(config.seconds > 0 && config.seconds < 1e6)) {
    return Bad("seconds", absl::StrCat(config.seconds), "a number of seconds above 0");
  }
  const int64_t recover_mib = absl::GetFlag(FLAGS_recover_mib);
  RETURN_IF_ERROR(InRange("recover_mib", recover_mib, 1, 65536));
  config.recover_mib = static_cast<size_t>(recover_mib);
  config.cold = absl::GetFlag(FLAGS_cold);
  config.keep = absl::GetFlag(FLAGS_keep);
  config.options = ParseOptions(absl::GetFlag(FLAGS_opt));
  return config;
}

absl::string_view PeerbenchHelp() {
  return R"(peerbench: the write-ahead logs of others, all driven in the same way on one disk

  peerbench --peer=rocksdb --dir=x --clients=16 --record_bytes=128
  peerbench --peer=bdb --dir=x --mode=async --seconds=5
  peerbench --peer=raw-group --dir=x --mode=recover --recover_mib=256

  --peer=NAME           who is measured
  --mode=commit         commit: each client appends a record, waits until it is durable, repeats
                        async: append as fast as accepted, durable once per MiB
                        recover: a child writes a log and dies; the reading is timed
  --dir=DIR             on the disk to be measured (not tmpfs); the run makes its own directory
                        there and removes it; --keep leaves it
  --record_bytes=1024 --clients=1 --seconds=3
  --recover_mib=1024 --cold=on              size of the log; drop it from the page cache first
  --opt=KEY=VALUE,...   settings of a peer: the head of its source lists them

Prints one JSON object. Exit: 0 done; 1 bad flags, or something failed (one line says what).
)";
}

}  // namespace corewal::peers
