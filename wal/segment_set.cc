#include "wal/segment_set.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/segment_file.h"

namespace corewal {
namespace {

constexpr absl::string_view kSegmentSuffix = ".wal";
constexpr absl::string_view kShardPrefix = "shard-";
constexpr size_t kSequenceDigits = 16;

absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// Reads the file's first block into the buffer that comes with the completion.
absl::StatusOr<Completion> ReadFirstBlock(StorageIo& io, FileHandle file, const std::string& path) {
  ASSIGN_OR_RETURN(BufferLease buffer, io.AcquireBuffer());
  ReadOp op;
  op.file = file;
  op.length = kBlockBytes;
  RETURN_IF_ERROR(io.Read(op, std::move(buffer)).status());
  std::array<Completion, 1> completions;
  do {
    RETURN_IF_ERROR(io.Wait(1, kNever));
  } while (io.Poll(absl::MakeSpan(completions)) == 0);
  if (completions[0].ok()) return std::move(completions[0]);
  return ErrnoStatus(completions[0].error, "read", path, {.offset = 0, .length = kBlockBytes});
}

// A listing is no snapshot: of files made while it was read it may miss one and have the next.
// Sequences are made in order, so a file that a gap should hold is there now, or never will be.
absl::Status FillGaps(FileSystem& files, StorageIo& io, const std::string& directory,
                      std::vector<SegmentFile>* segments) {
  for (size_t i = 0; i + 1 < segments->size(); ++i) {
    const uint64_t wanted = (*segments)[i].sequence + 1;
    if ((*segments)[i + 1].sequence == wanted) continue;
    absl::StatusOr<SegmentFile> missed =
        ReadSegmentFile(files, io, absl::StrCat(directory, "/", SegmentFileName(wanted)));
    if (absl::IsNotFound(missed.status())) continue;
    if (!missed.ok()) return missed.status();
    segments->insert(segments->begin() + static_cast<ptrdiff_t>(i) + 1, *std::move(missed));
  }
  return absl::OkStatus();
}

bool IsBlank(absl::Span<const std::byte> block) {
  return std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::string SegmentFileName(uint64_t sequence) {
  char name[kSequenceDigits + 1];
  std::snprintf(name, sizeof(name), "%016" PRIx64, sequence);
  return absl::StrCat(name, kSegmentSuffix);
}

std::optional<uint64_t> ParseSegmentFileName(absl::string_view name) {
  if (name.size() != kSequenceDigits + kSegmentSuffix.size()) return std::nullopt;
  if (name.substr(kSequenceDigits) != kSegmentSuffix) return std::nullopt;
  uint64_t sequence = 0;
  for (const char c : name.substr(0, kSequenceDigits)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    sequence = sequence << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  if (sequence == 0) return std::nullopt;
  return sequence;
}

std::string ShardDirectory(absl::string_view log_directory, ShardId shard) {
  char number[16];
  std::snprintf(number, sizeof(number), "%04" PRIu32, ToIndex(shard));
  return absl::StrCat(log_directory, "/", kShardPrefix, number);
}

std::optional<ShardId> ParseShardDirectoryName(absl::string_view name) {
  if (name.substr(0, kShardPrefix.size()) != kShardPrefix) return std::nullopt;
  const absl::string_view digits = name.substr(kShardPrefix.size());
  if (digits.size() < 4 || digits.size() > 5) return std::nullopt;
  if (digits.size() == 5 && digits[0] == '0') return std::nullopt;
  uint32_t shard = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    shard = shard * 10 + static_cast<uint32_t>(c - '0');
  }
  if (shard > 65535) return std::nullopt;
  return ShardId{shard};
}

absl::StatusOr<SegmentFile> ReadSegmentFile(FileSystem& files, StorageIo& io,
                                            const std::string& path) {
  SegmentFile segment;
  segment.path = path;
  ASSIGN_OR_RETURN(OpenFile file,
                   OpenSegmentFile(files, path, OpenOptions::Access::kRead, DirectMode::kAuto));
  segment.size_bytes = file.facts().size_bytes;
  ASSIGN_OR_RETURN(const FileHandle handle, io.RegisterFile(file));
  absl::StatusOr<Completion> read = ReadFirstBlock(io, handle, path);
  RETURN_IF_ERROR(io.UnregisterFile(handle));
  if (!read.ok()) return read.status();
  const absl::Span<const std::byte> block(read->buffer.data(), read->bytes);
  segment.rule = DecodeSegmentHeader(block, &segment.header);
  segment.blank = IsBlank(block);
  const std::optional<uint64_t> sequence = ParseSegmentFileName(BaseName(path));
  if (sequence.has_value()) {
    segment.sequence = *sequence;
  } else if (segment.rule == FormatRule::kOk) {
    segment.sequence = segment.header.sequence;
  }
  return segment;
}

absl::StatusOr<std::vector<SegmentFile>> ListSegments(FileSystem& files, StorageIo& io,
                                                      const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(directory));
  std::vector<SegmentFile> segments;
  for (const DirectoryEntry& entry : entries) {
    if (!ParseSegmentFileName(entry.name).has_value()) continue;
    absl::StatusOr<SegmentFile> segment =
        ReadSegmentFile(files, io, absl::StrCat(directory, "/", entry.name));
    if (absl::IsNotFound(segment.status())) continue;  // recycled or removed since List
    if (!segment.ok()) return segment.status();
    segments.push_back(*std::move(segment));
  }
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.sequence < b.sequence; });
  RETURN_IF_ERROR(FillGaps(files, io, directory, &segments));
  return segments;
}

}  // namespace corewal
