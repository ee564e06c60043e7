#include "tests/golden/golden_reading.h"

#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/crc32c.h"
#include "wal/log_reader.h"
#include "wal/recovery.h"

namespace corewal {
namespace {

constexpr size_t kShownBytes = 24;

std::string Beginning(absl::Span<const std::byte> payload) {
  std::string text;
  for (const std::byte byte : payload.subspan(0, std::min(payload.size(), kShownBytes))) {
    const char c = static_cast<char>(byte);
    text.push_back(std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '.');
  }
  return text;
}

std::string EndLine(absl::string_view who, const LogEndReport& end) {
  return absl::StrCat(who, " row=", end.row, " lsn=", end.lsn.value(), " offset=", end.offset,
                      " torn_bytes=", end.torn_bytes, absl::StrFormat(" crc=%08x\n", end.last_crc));
}

}  // namespace

std::string GoldenReading(FileSystem& files, StorageIo& io, const std::string& directory) {
  std::string text;
  {
    auto reader = LogReader::Open(files, io, directory, {.direct = DirectMode::kOff});
    if (!reader.ok()) return reader.status().ToString() + "\n";
    RecordView record;
    while ((*reader)->Next(&record)) {
      absl::StrAppend(&text, "lsn=", record.lsn.value(), " type=", static_cast<int>(record.type),
                      " epoch=", record.epoch.value(), " bytes=", record.payload.size(),
                      absl::StrFormat(" crc32c=%08x", Crc32c(record.payload)), " ",
                      Beginning(record.payload), "\n");
    }
    absl::StrAppend(&text, EndLine("reader", (*reader)->end()));
  }
  const auto recovered = RecoverLog(files, io, directory, LogUuid(), RecoveryMode::kStrict);
  if (!recovered.ok()) return text + "recovery refuses\n";
  return text + EndLine("recovery", recovered->end);
}

}  // namespace corewal
