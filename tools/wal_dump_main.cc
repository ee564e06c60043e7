// wal-dump: shows, filters and verifies what is in a log. See --help, and the exit codes there.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "tools/command_line.h"
#include "tools/dump_run.h"
#include "tools/interrupt.h"
#include "wal/format.h"

// The text of each says what its value must be.
ABSL_FLAG(bool, summary, false, "true or false");
ABSL_FLAG(bool, verify, false, "true or false");
ABSL_FLAG(std::string, check_acks, "", "a file of ACK lines, or -");
ABSL_FLAG(bool, repair, false, "true or false");
ABSL_FLAG(bool, yes, false, "true or false");
ABSL_FLAG(std::string, format, "text", "text, json or raw");
ABSL_FLAG(bool, follow, false, "true or false");
ABSL_FLAG(bool, headers, false, "true or false");
ABSL_FLAG(std::string, shard, "", "a number from 0 to 65535");
ABSL_FLAG(uint64_t, from, 0, "an LSN");
ABSL_FLAG(uint64_t, to, UINT64_MAX, "an LSN");
ABSL_FLAG(std::string, epoch, "", "a number");
ABSL_FLAG(uint64_t, limit, UINT64_MAX, "a number of records");
ABSL_FLAG(std::string, grep, "", "text");

namespace corewal {
namespace {

constexpr absl::string_view kFlags[] = {"summary", "verify",  "check_acks", "repair", "yes",
                                        "format",  "headers", "shard",      "from",   "to",
                                        "epoch",   "limit",   "grep",       "follow"};

constexpr char kHelp[] =
    R"(wal-dump DIR|SEGMENT...    shows what is in a corewal log; writes only to --repair it

  wal-dump DIR                               every record as text, shard by shard
  wal-dump --summary DIR                     how much is in it, and how it ends
  wal-dump --verify DIR && echo good         reads and checks everything
  wal-dump --format=raw DIR > FILE           the payloads, a line each
  wal-dump --format=json --grep=alice DIR | jq .lsn
  wal-dump --check_acks=ACKS DIR             is all there that wal-bench --acks acknowledged?

DIR is a log (with shard-NNNN directories) or one shard's directory (with *.wal files).

What to print
  --summary       per shard: segments, LSN range, records, bytes, padding, epochs, tail
  --verify        per shard: a verdict
  --check_acks=F  per shard: records up to the highest ACK line of F (- is standard input)
                  are there, in order, with the content that wal-bench made for them
  --repair        what cutting a damaged log at the first damage would lose, and move where;
                  with --yes does it; what is cut off is kept beside it as *.damaged
  --format=F      text (default), json (one object a line), raw (payload and newline)
  --headers       segment and batch headers too
  --follow        goes on as the log grows; Ctrl-C ends it
Which records
  --shard=N  --from=LSN  --to=LSN (not included)  --epoch=N  --limit=N (in all)
  --grep=TEXT     payload contains these bytes
  --version       prints the version and the format that it reads

Exit: 0 clean (a torn tail of unacknowledged bytes is clean, and said); 1 usage or
environment; 3 acknowledged data is damaged or missing, with file, offset and rule.
)";

// An absent flag is nullopt; 0 is a shard, and an epoch.
absl::StatusOr<std::optional<uint64_t>> OptionalNumber(absl::string_view flag,
                                                       const std::string& text, uint64_t max) {
  if (text.empty()) return std::optional<uint64_t>();
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number <= max) return std::optional<uint64_t>(number);
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, "=", text, ": must be a number from 0 to ", max));
}

absl::StatusOr<DumpOptions> OptionsFromArguments(absl::Span<char* const> arguments) {
  using What = DumpOptions::What;
  DumpOptions options;
  ASSIGN_OR_RETURN(options.paths, ParseCommandLine(arguments, kFlags));
  options.acks_file = absl::GetFlag(FLAGS_check_acks);
  const bool summary = absl::GetFlag(FLAGS_summary);
  const bool verify = absl::GetFlag(FLAGS_verify);
  const bool repair = absl::GetFlag(FLAGS_repair);
  options.yes = absl::GetFlag(FLAGS_yes);
  if (int{summary} + int{verify} + int{repair} + int{!options.acks_file.empty()} > 1) {
    return absl::InvalidArgumentError(
        "choose one of --summary, --verify, --check_acks and --repair");
  }
  if (summary) options.what = What::kSummary;
  if (verify) options.what = What::kVerify;
  if (repair) options.what = What::kRepair;
  if (!options.acks_file.empty()) options.what = What::kCheckAcks;

  const std::string format = absl::GetFlag(FLAGS_format);
  const std::optional<DumpFormat> parsed = ParseDumpFormat(format);
  if (!parsed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": must be text, json or raw"));
  }
  options.format = *parsed;
  options.headers = absl::GetFlag(FLAGS_headers);
  options.follow = absl::GetFlag(FLAGS_follow);

  DumpFilter& filter = options.filter;
  ASSIGN_OR_RETURN(const auto shard, OptionalNumber("shard", absl::GetFlag(FLAGS_shard), 65535));
  if (shard.has_value()) filter.shard = static_cast<ShardId>(*shard);
  ASSIGN_OR_RETURN(const auto epoch,
                   OptionalNumber("epoch", absl::GetFlag(FLAGS_epoch), UINT64_MAX));
  if (epoch.has_value()) filter.epoch = Epoch(*epoch);
  filter.from = Lsn(absl::GetFlag(FLAGS_from));
  filter.to = Lsn(absl::GetFlag(FLAGS_to));
  filter.records_max = absl::GetFlag(FLAGS_limit);
  filter.grep = absl::GetFlag(FLAGS_grep);
  RETURN_IF_ERROR(options.Validate());
  return options;
}

// What one screen is, goes to standard output.
int Print(const std::string& screen) {
  const bool written = std::fwrite(screen.data(), 1, screen.size(), stdout) == screen.size();
  return written && std::fflush(stdout) == 0 ? 0 : static_cast<int>(DumpExit::kEnvironment);
}

int Main(absl::Span<char* const> arguments) {
  signal(SIGPIPE, SIG_IGN);  // a reader that has gone is the end of the output, not ours
  if (HasFlag(arguments, "help") || HasFlag(arguments, "h")) return Print(kHelp);
  if (HasFlag(arguments, "version")) {
    return Print(absl::StrCat("wal-dump ", kVersion, " (format ", kFormatVersion, ")\n"));
  }
  const absl::StatusOr<DumpOptions> options = OptionsFromArguments(arguments);
  if (!options.ok()) {
    std::fprintf(stderr, "wal-dump: %s\n", std::string(options.status().message()).c_str());
    return static_cast<int>(DumpExit::kEnvironment);
  }
  if (options->follow) CatchInterrupts();
  return static_cast<int>(RunDump(*options));
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  return corewal::Main(absl::MakeConstSpan(argv, static_cast<size_t>(argc)));
}
