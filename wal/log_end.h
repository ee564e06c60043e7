// wal/log_end.h: how and where a log ends, as a value: found on disk, never an error of ours.
#ifndef COREWAL_WAL_LOG_END_H_
#define COREWAL_WAL_LOG_END_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "wal/format.h"
#include "wal/lsn.h"

namespace corewal {

// Why there is no more to read. The labels are the rows of FORMAT.md's recovery decision table.
enum class LogEnd : uint8_t {
  kNotYet,   // there may be more
  kEmpty,    // E0: no segment has started
  kSealed,   // T1: the last batch is a seal; all before it was durable
  kTorn,     // T2, T3, T4: a tail that no batch says was durable; nothing acknowledged is missing
  kDamaged,  // C1 .. C5: bytes that were durable are damaged or missing
  kLimit,    // the caller's `to` was reached
  kFailed,   // reading failed; ToStatus() has the cause
};

// Where and why, in words for people; also the machine-readable parts of it.
struct LogEndReport {
  LogEnd end = LogEnd::kNotYet;
  const char* row = "";   // "T3": label in FORMAT.md's table
  Lsn lsn;                // behind the last valid batch
  uint32_t last_crc = 0;  // of the last valid batch: what a next segment chains to
  // The place where the next batch should stand and none does, or the damage. It is lsn's own place
  // unless the log had just gone on to a next segment.
  std::string file;
  uint64_t offset = 0;  // in that file
  // The rule that the bytes at `offset` broke. kOk, of kDamaged: none. Their file is missing (C4),
  // their pieces contradict (C5), or they are a seal's, which should have been overwritten.
  FormatRule rule = FormatRule::kOk;
  uint64_t torn_bytes = 0;  // kTorn: bytes of unfinished batches beyond lsn
  // kDamaged: the witness. The header at this place says that bytes beyond `lsn` were durable.
  // Empty for C5, which needs none.
  std::string witness_file;
  uint64_t witness_offset = 0;
  Lsn witness_durable;
  absl::Status io_error;  // kFailed

  // OK for kEmpty, kSealed, kTorn, kLimit; DataLoss naming file, offset, rule and witness for
  // kDamaged; the I/O error for kFailed.
  absl::Status ToStatus() const;
  // One line: "torn tail at lsn 8192 in F, offset 8192: 4096 bytes of unfinished batches dropped".
  std::string ToString() const;
};

// What skip-damaged reading passed over, between two places where the log is whole.
struct SkippedRange {
  std::string file;  // where the damage was found, as in LogEndReport
  uint64_t offset = 0;
  FormatRule rule = FormatRule::kOk;
  const char* row = "";      // "C1" .. "C5"
  Lsn begin, end;            // LSNs: behind the last batch before it; of the first batch after it
  std::string resumed_file;  // that batch's place
  uint64_t resumed_offset = 0;

  // "skipped lsn 8192 to 12288: F, offset 4096: B8: ...; goes on in F, offset 8192 (C1)"
  std::string ToString() const;
};

}  // namespace corewal

#endif  // COREWAL_WAL_LOG_END_H_
