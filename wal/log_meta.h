// wal/log_meta.h: the file `corewal` in a log's directory: whose log it is, and what was measured.
//
//   corewal log
//   format 1
//   uuid 6f1c0b5e-...
//   sync_method dsync
//   sync_probe dsync 104 us, datasync 119 us
//   crc 89abcdef
//
// Text, for people. The last line is the CRC-32C of all before it. Lines with unknown keys are kept
// out of the way of older readers: they are ignored. The log can be read without this file, since
// every segment names its log; a writer needs it.
#ifndef COREWAL_WAL_LOG_META_H_
#define COREWAL_WAL_LOG_META_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io_backend/file_system.h"
#include "wal/lsn.h"
#include "wal/sync_method.h"

namespace corewal {

inline constexpr char kLogMetaFileName[] = "corewal";
inline constexpr char kLockFileName[] = "LOCK";

struct LogMeta {
  uint32_t format = 1;
  LogUuid uuid;
  SyncMethod sync_method = SyncMethod::kAuto;  // kAuto: not measured yet
  std::string sync_probe;                      // what was measured, for people

  std::string Encode() const;
  // DataLoss: not such a file, or its CRC is wrong. FailedPrecondition: a newer format.
  static absl::StatusOr<LogMeta> Decode(absl::string_view text);
};

// NotFound: the directory has none. Other errors name the file.
absl::StatusOr<LogMeta> ReadLogMeta(FileSystem& files, const std::string& directory);
absl::Status WriteLogMeta(FileSystem& files, const std::string& directory, const LogMeta& meta);

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_META_H_
