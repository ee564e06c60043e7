#include "wal/log_meta.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "wal/format.h"

namespace corewal {
namespace {

constexpr uint64_t kMetaBytesMax = 64 << 10;

uint32_t TextCrc(absl::string_view text) {
  return Crc32c(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

}  // namespace

std::string LogMeta::Encode() const {
  std::string text = absl::StrCat("corewal log\nformat ", format, "\nuuid ", uuid.ToString(), "\n");
  if (sync_method != SyncMethod::kAuto) {
    absl::StrAppend(&text, "sync_method ", SyncMethodName(sync_method), "\n");
  }
  if (!sync_probe.empty()) absl::StrAppend(&text, "sync_probe ", sync_probe, "\n");
  absl::StrAppend(&text, absl::StrFormat("crc %08x\n", TextCrc(text)));
  return text;
}

absl::StatusOr<LogMeta> LogMeta::Decode(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "corewal log\n")) {
    return absl::DataLossError("does not begin with \"corewal log\"");
  }
  const absl::string_view whole(text.data() - 12, text.size() + 12);
  LogMeta meta;
  bool crc_seen = false, uuid_seen = false;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    std::pair<absl::string_view, absl::string_view> key_value =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto& [key, value] = key_value;
    if (key == "format") {
      if (!absl::SimpleAtoi(value, &meta.format)) return absl::DataLossError("format: no number");
      if (meta.format > kFormatVersion) {
        return absl::FailedPreconditionError(absl::StrCat(
            "format version ", meta.format, "; this build reads up to ", kFormatVersion));
      }
    } else if (key == "uuid") {
      const absl::StatusOr<LogUuid> uuid = LogUuid::Parse(value);
      if (!uuid.ok()) return absl::DataLossError(uuid.status().message());
      meta.uuid = *uuid;
      uuid_seen = true;
    } else if (key == "sync_method") {
      meta.sync_method = ParseSyncMethod(value).value_or(SyncMethod::kAuto);
    } else if (key == "sync_probe") {
      meta.sync_probe = std::string(value);
    } else if (key == "crc") {
      const size_t covered = static_cast<size_t>(line.data() - whole.data());
      crc_seen = value == absl::StrFormat("%08x", TextCrc(whole.substr(0, covered)));
      break;
    }
  }
  if (!crc_seen) return absl::DataLossError("its crc line is missing or wrong");
  if (!uuid_seen) return absl::DataLossError("no uuid line");
  return meta;
}

absl::StatusOr<LogMeta> ReadLogMeta(FileSystem& files, const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kLogMetaFileName);
  ASSIGN_OR_RETURN(const std::string text, files.ReadSmallFile(path, kMetaBytesMax));
  absl::StatusOr<LogMeta> meta = LogMeta::Decode(text);
  if (meta.ok()) return meta;
  return absl::Status(meta.status().code(), absl::StrCat(path, ": ", meta.status().message()));
}

absl::Status WriteLogMeta(FileSystem& files, const std::string& directory, const LogMeta& meta) {
  return files.WriteSmallFile(absl::StrCat(directory, "/", kLogMetaFileName), meta.Encode());
}

}  // namespace corewal
