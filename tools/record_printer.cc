#include "tools/record_printer.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tools/field_line.h"
#include "tools/payload_text.h"

namespace corewal {
namespace {

absl::string_view AsText(absl::Span<const std::byte> bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

FieldLine::Form FormOf(DumpFormat format) {
  return format == DumpFormat::kJson ? FieldLine::Form::kJson : FieldLine::Form::kText;
}

std::string Time(uint64_t unix_ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                          absl::FromUnixNanos(static_cast<int64_t>(unix_ns)), absl::UTCTimeZone());
}

// "1.89abcdef": the count of openings, and the random part.
std::string IncarnationText(Incarnation incarnation) {
  return absl::StrCat(incarnation.count(), ".",
                      absl::Hex(incarnation.bits & 0xffffffff, absl::kZeroPad8));
}

void AppendType(RecordType type, Output* out) {
  switch (type) {
    case RecordType::kUser:
      return;
    case RecordType::kEpochBarrier:
      out->Append(" type=epoch-barrier");
      return;
    case RecordType::kCheckpoint:
      out->Append(" type=checkpoint");
      return;
    case RecordType::kAtomicPart:
      out->Append(" type=atomic-part");
      return;
    case RecordType::kAtomicHome:
      out->Append(" type=atomic-home");
      return;
  }
  out->Append(" type=").Number(static_cast<uint8_t>(type));
}

}  // namespace

std::optional<DumpFormat> ParseDumpFormat(absl::string_view name) {
  if (name == "text") return DumpFormat::kText;
  if (name == "json") return DumpFormat::kJson;
  if (name == "raw") return DumpFormat::kRaw;
  return std::nullopt;
}

void RecordPrinter::PrintRecord(ShardId shard, const RecordView& record) {
  switch (format_) {
    case DumpFormat::kText:
      PrintRecordText(shard, record);
      return;
    case DumpFormat::kJson:
      PrintRecordJson(shard, record);
      return;
    case DumpFormat::kRaw:
      if (IsUserRecord(record.type)) out_.Append(AsText(record.payload)).Append("\n");
      return;
  }
}

void RecordPrinter::PrintRecordText(ShardId shard, const RecordView& record) {
  out_.Append("shard=").Number(ToIndex(shard));
  out_.Append(" lsn=").Number(record.lsn.value());
  out_.Append(" epoch=").Number(record.epoch.value());
  AppendType(record.type, &out_);
  out_.Append(" len=").Number(record.payload.size()).Append(" \"");
  AppendEscaped(record.payload, &out_);
  out_.Append("\"\n");
}

void RecordPrinter::PrintRecordJson(ShardId shard, const RecordView& record) {
  out_.Append("{\"shard\":").Number(ToIndex(shard));
  out_.Append(",\"lsn\":").Number(record.lsn.value());
  out_.Append(",\"epoch\":").Number(record.epoch.value());
  out_.Append(",\"type\":").Number(static_cast<uint8_t>(record.type));
  out_.Append(",\"bytes\":").Number(record.payload.size());
  if (IsUtf8(record.payload)) {
    out_.Append(",\"payload\":");
    AppendJsonString(record.payload, &out_);
    out_.Append("}\n");
  } else {
    out_.Append(",\"payload_base64\":\"");
    AppendBase64(record.payload, &out_);
    out_.Append("\"}\n");
  }
}

void RecordPrinter::PrintSegment(const SegmentHeader& header, const std::string& path) {
  if (format_ == DumpFormat::kRaw) return;
  FieldLine(FormOf(format_), "segment", &out_)
      .Add("file", path)
      .Add("version", header.version)
      .Add("uuid", header.uuid.ToString())
      .Add("shard", ToIndex(header.shard))
      .Add("sequence", header.sequence)
      .Add("base_lsn", header.base_lsn.value())
      .Add("segment_bytes", header.segment_bytes)
      .Add("incarnation", IncarnationText(header.incarnation))
      .Add("previous_sequence", header.previous_sequence)
      .Add("previous_end", header.previous_end.value())
      .AddHex32("previous_crc", header.previous_crc)
      .Add("durable", header.durable.value())
      .Add("epoch", header.epoch.value())
      .Add("created", Time(header.created_unix_ns));
}

void RecordPrinter::PrintBatch(const BatchHeader& header, const SegmentHeader& segment) {
  if (format_ == DumpFormat::kRaw) return;
  FieldLine(FormOf(format_), "batch", &out_)
      .Add("shard", ToIndex(segment.shard))
      .Add("lsn", header.lsn.value())
      .Add("offset", header.lsn - segment.base_lsn)
      .Add("bytes", header.length_bytes)
      .Add("records", header.record_count)
      .Add("records_bytes", header.records_bytes)
      .Add("epoch", header.epoch.value())
      .Add("incarnation", IncarnationText(header.incarnation))
      .Add("durable", header.durable.value())
      .AddHex32("crc", header.crc)
      .AddHex32("previous_crc", header.previous_crc)
      .Add("flags", (header.flags & kBatchFlagSeal) != 0 ? "seal" : "none");
}

}  // namespace corewal
