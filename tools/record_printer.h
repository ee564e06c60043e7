// tools/record_printer.h: one record, or one header above it, as a line of text, JSON or raw bytes.
//
//   text  shard=0 lsn=4160 epoch=0 len=5 "hello"
//   json  {"shard":0,"lsn":4160,"epoch":0,"type":0,"bytes":5,"payload":"hello"}
//   raw   hello
//
// A payload that is not UTF-8 is, in JSON, "payload_base64" instead of "payload". Raw prints the
// records of users alone: what corewal records for itself is nobody's input.
#ifndef COREWAL_TOOLS_RECORD_PRINTER_H_
#define COREWAL_TOOLS_RECORD_PRINTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/output.h"
#include "wal/format.h"
#include "wal/log_reader.h"
#include "wal/lsn.h"

namespace corewal {

enum class DumpFormat : uint8_t { kText, kJson, kRaw };
std::optional<DumpFormat> ParseDumpFormat(absl::string_view name);

// Types 0 .. 127 are the user's, FORMAT.md, "Record types".
constexpr bool IsUserRecord(RecordType type) { return static_cast<uint8_t>(type) < 128; }

class RecordPrinter {
 public:
  // `out` must outlive the printer.
  RecordPrinter(DumpFormat format, Output* out) : format_(format), out_(*out) {}

  void PrintRecord(ShardId shard, const RecordView& record);

  // Headers have no raw form: raw prints nothing.
  void PrintSegment(const SegmentHeader& header, const std::string& path);
  void PrintBatch(const BatchHeader& header, const SegmentHeader& segment);

 private:
  void PrintRecordText(ShardId shard, const RecordView& record);
  void PrintRecordJson(ShardId shard, const RecordView& record);

  const DumpFormat format_;
  Output& out_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_RECORD_PRINTER_H_
