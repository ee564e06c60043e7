#include "tools/bench_options.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "tools/command_line.h"

// The help text of a flag completes the sentence "expected ..." in messages.
ABSL_FLAG(std::string, workload, "", "commit, stream, mixed, recover or probe");
ABSL_FLAG(std::string, dir, "./corewal-bench", "a directory");
ABSL_FLAG(bool, keep, false, "on or off");
ABSL_FLAG(std::string, io, "auto", "auto, uring or posix");
ABSL_FLAG(std::string, record_bytes, "128", "N, A-B or zipf:A-B");
ABSL_FLAG(std::string, input, "", "a file or -");
ABSL_FLAG(std::optional<int64_t>, clients, std::nullopt, "a number from 1 to 4096");
ABSL_FLAG(int64_t, inflight, 1, "a number from 1 to 1000000");
ABSL_FLAG(int64_t, shards, 1, "a number from 1 to 1024");
ABSL_FLAG(bool, embedded, false, "on or off");
ABSL_FLAG(std::optional<double>, seconds, std::nullopt, "a number of seconds above 0");
ABSL_FLAG(std::optional<int64_t>, mb, std::nullopt, "a number of 10^6 bytes, at least 1");
ABSL_FLAG(std::optional<int64_t>, records, std::nullopt, "a number of records, at least 1");
ABSL_FLAG(std::string, sync, "auto", "auto, dsync, datasync or ring-datasync");
ABSL_FLAG(std::string, direct, "auto", "auto, on or off");
ABSL_FLAG(std::string, sqpoll, "auto", "auto, on or off");
ABSL_FLAG(std::string, registered_buffers, "auto", "auto, on or off");
ABSL_FLAG(std::string, registered_files, "auto", "auto, on or off");
ABSL_FLAG(std::optional<int64_t>, segment_mb, std::nullopt, "MiB from 1 to 65536");
ABSL_FLAG(std::optional<int64_t>, buffer_kb, std::nullopt, "KiB from 4 to 4096, a multiple of 4");
ABSL_FLAG(std::optional<int64_t>, buffers, std::nullopt, "a number from 3 to 4088");
ABSL_FLAG(bool, floor, true, "on or off");
ABSL_FLAG(bool, verify, true, "on or off");
ABSL_FLAG(std::string, acks, "", "a file or -");
ABSL_FLAG(bool, resume, false, "on or off");
ABSL_FLAG(std::string, json, "", "a file or -");
ABSL_FLAG(std::string, html, "", "a file");
ABSL_FLAG(std::string, compare, "", "KEY=A,B[,C]");

namespace corewal {
namespace {

constexpr absl::string_view kFlags[] = {"workload",
                                        "dir",
                                        "keep",
                                        "io",
                                        "record_bytes",
                                        "input",
                                        "clients",
                                        "inflight",
                                        "shards",
                                        "embedded",
                                        "seconds",
                                        "mb",
                                        "records",
                                        "sync",
                                        "direct",
                                        "sqpoll",
                                        "registered_buffers",
                                        "registered_files",
                                        "segment_mb",
                                        "buffer_kb",
                                        "buffers",
                                        "floor",
                                        "verify",
                                        "acks",
                                        "resume",
                                        "json",
                                        "html",
                                        "compare"};
// What --compare may vary: what changes how the log is written, and nothing about what is measured.
constexpr absl::string_view kComparable[] = {
    "dir",        "io",        "record_bytes", "clients", "inflight",           "shards",
    "embedded",   "sync",      "direct",       "sqpoll",  "registered_buffers", "registered_files",
    "segment_mb", "buffer_kb", "buffers"};

absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, "=", value, ": expected ", expected));
}
absl::Status Clash(absl::string_view what) { return absl::InvalidArgumentError(what); }

template <typename T>
absl::StatusOr<T> OneOf(absl::string_view flag, const std::string& value,
                        std::initializer_list<std::pair<absl::string_view, T>> choices,
                        absl::string_view expected) {
  for (const auto& [name, choice] : choices) {
    if (value == name) return choice;
  }
  return Bad(flag, value, expected);
}

absl::StatusOr<int64_t> InRange(absl::string_view flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return value;
  return Bad(flag, absl::StrCat(value), absl::StrCat("a number from ", low, " to ", high));
}

absl::StatusOr<Want> ParseWant(absl::string_view flag, const std::string& value) {
  return OneOf<Want>(flag, value, {{"auto", Want::kAuto}, {"on", Want::kOn}, {"off", Want::kOff}},
                     "auto, on or off");
}

absl::Status ReadWorkload(BenchOptions* options) {
  const std::string name = absl::GetFlag(FLAGS_workload);
  if (name.empty()) {
    options->workload = options->made() ? Workload::kTour : Workload::kStream;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(options->workload, OneOf<Workload>("workload", name,
                                                      {{"commit", Workload::kCommit},
                                                       {"stream", Workload::kStream},
                                                       {"mixed", Workload::kMixed},
                                                       {"recover", Workload::kRecover},
                                                       {"probe", Workload::kProbe}},
                                                      "commit, stream, mixed, recover or probe"));
  return absl::OkStatus();
}

absl::Status ReadStorage(ShardOptions* shard) {
  ASSIGN_OR_RETURN(shard->io.backend, OneOf<IoBackend>("io", absl::GetFlag(FLAGS_io),
                                                       {{"auto", IoBackend::kAuto},
                                                        {"uring", IoBackend::kUring},
                                                        {"posix", IoBackend::kPosix}},
                                                       "auto, uring or posix"));
  ASSIGN_OR_RETURN(const Want direct, ParseWant("direct", absl::GetFlag(FLAGS_direct)));
  shard->direct = direct == Want::kOn    ? DirectMode::kOn
                  : direct == Want::kOff ? DirectMode::kOff
                                         : DirectMode::kAuto;
  ASSIGN_OR_RETURN(shard->io.sqpoll, ParseWant("sqpoll", absl::GetFlag(FLAGS_sqpoll)));
  ASSIGN_OR_RETURN(shard->io.registered_buffers,
                   ParseWant("registered_buffers", absl::GetFlag(FLAGS_registered_buffers)));
  ASSIGN_OR_RETURN(shard->io.registered_files,
                   ParseWant("registered_files", absl::GetFlag(FLAGS_registered_files)));
  const std::string sync = absl::GetFlag(FLAGS_sync);
  const std::optional<SyncMethod> method =
      sync == "auto" ? SyncMethod::kAuto : ParseSyncMethod(sync);
  if (!method.has_value()) return Bad("sync", sync, "auto, dsync, datasync or ring-datasync");
  shard->sync_method = *method;
  return absl::OkStatus();
}

absl::Status ReadSizes(BenchOptions* options) {
  ShardOptions& shard = options->engine.shard;
  if (const auto mib = absl::GetFlag(FLAGS_segment_mb)) {
    ASSIGN_OR_RETURN(const int64_t checked, InRange("segment_mb", *mib, 1, 65536));
    shard.segment_bytes = static_cast<uint64_t>(checked) << 20;
    options->segment_bytes_given = true;
  }
  if (const auto kib = absl::GetFlag(FLAGS_buffer_kb)) {
    if (*kib < 4 || *kib > 4096 || *kib % 4 != 0) {
      return Bad("buffer_kb", absl::StrCat(*kib), "a multiple of 4 from 4 to 4096");
    }
    shard.io.buffer_bytes = static_cast<uint32_t>(*kib) << 10;
  }
  if (const auto buffers = absl::GetFlag(FLAGS_buffers)) {
    ASSIGN_OR_RETURN(const int64_t checked, InRange("buffers", *buffers, 3, 4088));
    shard.io.buffers = static_cast<uint32_t>(checked);
  }
  return absl::OkStatus();
}

absl::Status ReadLength(BenchOptions* options) {
  options->seconds = absl::GetFlag(FLAGS_seconds);
  if (options->seconds && !(*options->seconds > 0 && *options->seconds < 1e7)) {
    return Bad("seconds", absl::StrCat(*options->seconds), "a number of seconds above 0");
  }
  if (const auto mb = absl::GetFlag(FLAGS_mb)) {
    ASSIGN_OR_RETURN(const int64_t checked, InRange("mb", *mb, 1, 1'000'000'000));
    options->payload_bytes = static_cast<uint64_t>(checked) * 1'000'000;
  }
  if (const auto records = absl::GetFlag(FLAGS_records)) {
    ASSIGN_OR_RETURN(const int64_t checked,
                     InRange("records", *records, 1, 10'000'000'000'000'000));
    options->records = static_cast<uint64_t>(checked);
  }
  const bool given = options->seconds || options->payload_bytes || options->records;
  if (given || !options->made()) return absl::OkStatus();
  if (options->workload == Workload::kRecover) {
    options->payload_bytes = 256'000'000;
  } else {
    options->seconds = 5;
  }
  return absl::OkStatus();
}

absl::Status ReadClients(BenchOptions* options) {
  ASSIGN_OR_RETURN(const int64_t shards, InRange("shards", absl::GetFlag(FLAGS_shards), 1, 1024));
  const std::optional<int64_t> given = absl::GetFlag(FLAGS_clients);
  ASSIGN_OR_RETURN(const int64_t clients, InRange("clients", given.value_or(shards), 1, 4096));
  ASSIGN_OR_RETURN(const int64_t inflight,
                   InRange("inflight", absl::GetFlag(FLAGS_inflight), 1, 1'000'000));
  if (clients < shards) {
    return Clash(absl::StrCat("--clients=", clients, " --shards=", shards,
                              ": every shard needs a client; set --clients to at least ", shards));
  }
  options->embedded = absl::GetFlag(FLAGS_embedded);
  if (options->embedded && clients != shards) {
    return Clash(absl::StrCat("--embedded --clients=", clients, " --shards=", shards,
                              ": each client runs one shard itself; make the two equal"));
  }
  options->engine.threads =
      options->embedded ? EngineOptions::Threads::kHost : EngineOptions::Threads::kEngine;
  options->engine.shards = static_cast<uint32_t>(shards);
  options->clients = static_cast<uint32_t>(clients);
  options->inflight = static_cast<uint32_t>(inflight);
  return absl::OkStatus();
}

// What flags mean only together.
absl::Status CheckTogether(const BenchOptions& options) {
  if (options.directory.empty()) return Clash("--dir is empty; name a directory");
  if (!options.made() && (options.clients != 1 || options.engine.shards != 1)) {
    return Clash("--input keeps the order of its lines: it wants one client and one shard");
  }
  const bool writes =
      options.workload == Workload::kCommit || options.workload == Workload::kStream;
  if (!options.made() && !writes) {
    return Clash(absl::StrCat("--input goes with --workload=stream or commit, not with ",
                              WorkloadName(options.workload)));
  }
  if (!options.acks.empty() && !writes) {
    return Clash("--acks goes with --workload=stream or commit");
  }
  if (options.resume && !writes) return Clash("--resume goes with --workload=stream or commit");
  if (options.workload == Workload::kMixed && options.embedded) {
    return Clash(
        "--embedded --workload=mixed: its reader truncates from a thread of its own; "
        "leave out --embedded");
  }
  if (options.html == "-") return Clash("--html=-: name a file for the page");
  if (options.acks == "-" && options.json == "-") {
    return Clash("--acks=- and --json=-: only one of them can have the standard output");
  }
  return absl::OkStatus();
}

absl::StatusOr<BenchOptions> OptionsFromFlags() {
  auto lengths = LengthDistribution::Parse(absl::GetFlag(FLAGS_record_bytes));
  if (!lengths.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--record_bytes=", lengths.status().message()));
  }
  BenchOptions options(*std::move(lengths));
  options.directory = absl::GetFlag(FLAGS_dir);
  options.resume = absl::GetFlag(FLAGS_resume);
  options.keep =
      absl::GetFlag(FLAGS_keep) || options.resume;  // a resumed log is not ours to remove
  options.input = absl::GetFlag(FLAGS_input);
  options.floor = absl::GetFlag(FLAGS_floor);
  options.verify = absl::GetFlag(FLAGS_verify);
  options.acks = absl::GetFlag(FLAGS_acks);
  options.json = absl::GetFlag(FLAGS_json);
  options.html = absl::GetFlag(FLAGS_html);
  RETURN_IF_ERROR(ReadWorkload(&options));
  RETURN_IF_ERROR(ReadStorage(&options.engine.shard));
  RETURN_IF_ERROR(ReadSizes(&options));
  RETURN_IF_ERROR(ReadLength(&options));
  RETURN_IF_ERROR(ReadClients(&options));
  RETURN_IF_ERROR(CheckTogether(options));
  return options;
}

absl::Status CheckComparable(const BenchOptions& options) {
  if (options.workload == Workload::kTour || options.workload == Workload::kProbe) {
    return Clash("--compare compares runs of one workload; choose it with --workload");
  }
  if (options.keep || !options.acks.empty()) {
    return Clash(
        "--compare writes many logs and keeps none: leave out --keep, --resume and --acks");
  }
  if (options.input == "-") {
    return Clash("--compare reads the input many times: name a file with --input");
  }
  return absl::OkStatus();
}

// "KEY=A,B[,C]": the flags are read once for each value.
absl::StatusOr<BenchCommand> ReadComparison(const std::string& text) {
  const auto bad = [&](absl::string_view expected) { return Bad("compare", text, expected); };
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const auto& [key, list] = parts;
  const std::vector<std::string> values = absl::StrSplit(list, ',', absl::SkipEmpty());
  if (values.size() < 2 || values.size() > 4) return bad("KEY=A,B[,C], with 2 to 4 values");
  if (std::find(std::begin(kComparable), std::end(kComparable), key) == std::end(kComparable)) {
    return bad(absl::StrCat("KEY to be one of ", absl::StrJoin(kComparable, ", ")));
  }
  std::vector<BenchOptions> compared;
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (std::find(values.begin(), value, *value) != value) return bad("values that differ");
    RETURN_IF_ERROR(SetFlag(key, *value));
    ASSIGN_OR_RETURN(BenchOptions options, OptionsFromFlags());
    RETURN_IF_ERROR(CheckComparable(options));
    options.compared = absl::StrCat(key, "=", *value);
    compared.push_back(std::move(options));
  }
  return BenchCommand{compared.front(), compared};
}

}  // namespace

absl::string_view WorkloadName(Workload workload) {
  switch (workload) {
    case Workload::kTour:
      return "tour";
    case Workload::kCommit:
      return "commit";
    case Workload::kStream:
      return "stream";
    case Workload::kMixed:
      return "mixed";
    case Workload::kRecover:
      return "recover";
    case Workload::kProbe:
      return "probe";
  }
  return "?";
}

absl::StatusOr<BenchCommand> ParseBenchCommand(absl::Span<char* const> arguments) {
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, ParseCommandLine(arguments, kFlags));
  if (!rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", rest[0], "\": wal-bench takes flags only; --help lists them"));
  }
  const std::string compare = absl::GetFlag(FLAGS_compare);
  if (!compare.empty()) return ReadComparison(compare);
  ASSIGN_OR_RETURN(BenchOptions options, OptionsFromFlags());
  return BenchCommand{std::move(options), {}};
}

absl::string_view BenchHelp() {
  return R"(wal-bench: what can this disk, this kernel and this log do?

  wal-bench                                 quick tour, about 10 s
  wal-bench --workload=commit --clients=16  each client appends, waits until durable, repeats
  wal-bench --workload=stream --embedded    append as fast as accepted, all durable at the end
  wal-bench --workload=mixed                stream, a reader that follows, and truncation
  wal-bench --workload=recover --mb=1000    write, die, reopen, read everything back
  wal-bench --workload=probe                what kernel and disk grant; recommends flags
  wal-bench --workload=commit --compare=io=uring,posix --html=report.html
  wal-bench --input=FILE --dir=D --keep     a log with one record a line (- for stdin)

  --dir=DIR             where the log goes, on the disk to be measured (./corewal-bench)
  --keep --resume       leave the log there; go on in one that is there
  --seconds --mb --records                  length of the run, whichever ends first (5 s)
  --record_bytes=128    N, A-B (uniform) or zipf:A-B
  --clients --inflight  client threads; unacknowledged records of each (1, 1)
  --shards --embedded   logs; the client's own thread runs its shard
  --io                  auto, uring, posix
  --sync                auto, dsync, datasync, ring-datasync
  --direct --sqpoll --registered_buffers --registered_files   each auto, on, off
  --segment_mb --buffer_kb --buffers        sizes
  --floor --verify      measure the device too; read everything back (both on; --nofloor)
  --acks=FILE|-         a line "ACK shard=S seq=N lsn=L" each time records became durable
  --json=FILE|-         one JSON object per run
  --html=FILE           a page with plots, to look at and to pass on
  --compare=KEY=A,B     the same run for each value of a flag, interleaved, side by side
  --version

Exit: 0 done and verified; 1 bad flags or environment; 2 verification failed.
)";
}

}  // namespace corewal
