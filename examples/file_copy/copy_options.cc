#include "examples/file_copy/copy_options.h"

#include <getopt.h>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace corewal {

const char kCopyHelp[] =
    R"(file_copy SOURCE DESTINATION    copies a file through StorageIo, durably, and compares it

  file_copy big.img copy.img                          one copy, by the best way to be had
  file_copy --ways=all --rounds=5 big.img copy.img    every way in turn, medians side by side
  file_copy --ways=ring,ring-fixed big.img copy.img   these two

SOURCE is a regular file; DESTINATION must not exist. Holes stay holes.

  --ways=LIST     all, or some of (default: the first of the last, third and first that works)
                    read-write         pread and pwrite, one buffer
                    copy-file-range    the kernel's own; the bytes never come to the process
                    ring               several READ and WRITE in flight on one io_uring
                    ring-fixed         READ_FIXED and WRITE_FIXED on the same registered buffers
                    read-write-direct, ring-direct, ring-fixed-direct     the same with O_DIRECT
  --rounds=N      1 to 100, default 1: each way in turn, so often
  --block_kb=N    a multiple of 4, up to 65536, default 1024
  --in_flight=N   1 to 1024 blocks, default 8

The table: CPU time per GiB of data, user and system, of this process with its ring's workers.
It cannot see interrupts and the kernel's write-back threads; "other" is the rest of the machine
with all that runs there. "cached" is the bytes that went through the page cache per byte of
data: read-write and ring copy each of them once (2: in and out), copy-file-range copies a byte
once from page to page; what bypasses the cache no CPU has copied.

Exit: 0 copied, durable and compared; 1 bad flags or environment; 2 the copy differs.
)";

namespace {

absl::Status ParseNumber(const char* flag, const char* text, uint32_t min, uint32_t max,
                         uint32_t* value) {
  if (absl::SimpleAtoi(text, value) && *value >= min && *value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, "=\"", text, "\": expected a number from ", min, " to ", max));
}

absl::Status ParseWays(const std::string& text, CopyOptions* options) {
  options->ways.clear();
  options->first_that_works = false;
  if (text == "all") {
    for (const CopyWay& way : AllCopyWays()) options->ways.push_back(&way);
    return absl::OkStatus();
  }
  for (const absl::string_view name : absl::StrSplit(text, ',')) {
    const CopyWay* const way = FindCopyWay(name);
    if (way == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("--ways: there is no \"", name, "\"; --help lists them"));
    }
    options->ways.push_back(way);
  }
  return absl::OkStatus();
}

enum Flag : int { kHelpFlag = 256, kWays, kRounds, kBlockKb, kInFlight };
constexpr option kFlags[] = {{"help", no_argument, nullptr, kHelpFlag},
                             {"ways", required_argument, nullptr, kWays},
                             {"rounds", required_argument, nullptr, kRounds},
                             {"block_kb", required_argument, nullptr, kBlockKb},
                             {"in_flight", required_argument, nullptr, kInFlight},
                             {}};

absl::Status TakeFlag(int flag, CopyOptions* options) {
  switch (flag) {
    case kHelpFlag:
      options->help = true;
      return absl::OkStatus();
    case kWays:
      return ParseWays(optarg, options);
    case kRounds:
      return ParseNumber("rounds", optarg, 1, 100, &options->rounds);
    case kBlockKb: {
      uint32_t kb = 0;
      RETURN_IF_ERROR(ParseNumber("block_kb", optarg, 4, 65536, &kb));
      if (kb % 4 != 0) return absl::InvalidArgumentError("--block_kb must be a multiple of 4");
      options->block_bytes = kb * 1024;
      return absl::OkStatus();
    }
    case kInFlight:
      return ParseNumber("in_flight", optarg, 1, 1024, &options->in_flight);
    default:
      return absl::InvalidArgumentError("there is no such flag, or its value is missing");
  }
}

}  // namespace

absl::StatusOr<CopyOptions> ParseCopyOptions(absl::Span<char* const> arguments) {
  CopyOptions options;
  for (const char* name : {"ring-fixed-direct", "ring-fixed", "read-write"}) {
    options.ways.push_back(FindCopyWay(name));
  }
  opterr = 0;  // what is wrong is told here, in one line
  const auto count = static_cast<int>(arguments.size());
  for (int flag; (flag = getopt_long(count, arguments.data(), "", kFlags, nullptr)) != -1;) {
    const absl::Status taken = TakeFlag(flag, &options);
    if (!taken.ok() && flag == '?') {
      return absl::InvalidArgumentError(
          absl::StrCat(arguments[optind - 1], ": ", taken.message(), "; --help lists them"));
    }
    RETURN_IF_ERROR(taken);
  }
  if (options.help) return options;
  if (count - optind != 2) {
    return absl::InvalidArgumentError("wanted are SOURCE and DESTINATION; see --help");
  }
  options.source = arguments[optind];
  options.destination = arguments[optind + 1];
  return options;
}

}  // namespace corewal
