#include "wal/segment_set.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/check.h"
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

bool IsBlank(absl::Span<const std::byte> block) {
  return std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{0}; });
}

// What a segment's first block says of it, beside its name.
void TakeFirstBlock(absl::Span<const std::byte> block, SegmentFile* segment) {
  segment->rule = DecodeSegmentHeader(block, &segment->header);
  segment->blank = IsBlank(block);
  const std::optional<uint64_t> sequence = ParseSegmentFileName(BaseName(segment->path));
  if (sequence.has_value()) {
    segment->sequence = *sequence;
  } else if (segment->rule == FormatRule::kOk) {
    segment->sequence = segment->header.sequence;
  }
}

// The first blocks of some files, read at once: opening a log of hundreds of segments takes the
// time of the device, not that of as many single reads.
class HeaderReads {
 public:
  // Takes what buffers are free, up to a bound. ResourceExhausted: none is.
  static absl::StatusOr<HeaderReads> Create(FileSystem& files, StorageIo& io,
                                            uint32_t at_once_max) {
    HeaderReads reads(files, io);
    for (uint32_t i = 0; i < std::min(at_once_max, io.queue_depth()); ++i) {
      absl::StatusOr<BufferLease> buffer = io.AcquireBuffer();
      if (!buffer.ok()) {
        if (i == 0) return buffer.status();
        break;
      }
      reads.buffers_.push_back(*std::move(buffer));
    }
    return reads;
  }

  size_t at_once() const { return buffers_.size(); }
  // Of at most at_once() files: what stands in each, or why it cannot be read. Not OK: the storage
  // itself failed.
  absl::StatusOr<std::vector<absl::StatusOr<SegmentFile>>> Read(
      absl::Span<const std::string> paths);

 private:
  HeaderReads(FileSystem& files, StorageIo& io) : files_(files), io_(io) {}
  absl::StatusOr<FileHandle> Start(SegmentFile& segment, size_t index);

  FileSystem& files_;
  StorageIo& io_;
  std::vector<BufferLease> buffers_;
};

// Stages the read of one file's first block with the buffer of that index.
absl::StatusOr<FileHandle> HeaderReads::Start(SegmentFile& segment, size_t index) {
  ASSIGN_OR_RETURN(OpenFile file, OpenSegmentFile(files_, segment.path, OpenOptions::Access::kRead,
                                                  DirectMode::kAuto));
  segment.size_bytes = file.facts().size_bytes;
  ASSIGN_OR_RETURN(const FileHandle handle, io_.RegisterFile(file));
  ReadOp op;
  op.file = handle;
  op.length = kBlockBytes;
  op.tag = index;
  const absl::Status staged = io_.Read(op, std::move(buffers_[index])).status();
  if (staged.ok()) return handle;
  RETURN_IF_ERROR(io_.UnregisterFile(handle));
  return staged;
}

absl::StatusOr<std::vector<absl::StatusOr<SegmentFile>>> HeaderReads::Read(
    absl::Span<const std::string> paths) {
  CHECK_LE(paths.size(), at_once());
  std::vector<absl::StatusOr<SegmentFile>> segments(paths.size(), SegmentFile());
  std::vector<FileHandle> handles;
  for (size_t i = 0; i < paths.size(); ++i) {
    segments[i]->path = paths[i];
    const absl::StatusOr<FileHandle> handle = Start(*segments[i], i);
    if (handle.ok()) {
      handles.push_back(*handle);
    } else {
      segments[i] = handle.status();
    }
  }
  for (size_t left = handles.size(); left > 0;) {
    std::array<Completion, 16> completions;
    RETURN_IF_ERROR(io_.Wait(static_cast<uint32_t>(left), kNever));
    const size_t n = io_.Poll(absl::MakeSpan(completions));
    left -= n;
    for (Completion& done : absl::MakeSpan(completions).first(n)) {
      absl::StatusOr<SegmentFile>& segment = segments[done.tag];
      if (done.ok()) {
        TakeFirstBlock(absl::MakeConstSpan(done.buffer.data(), done.bytes), &*segment);
      } else {
        segment =
            ErrnoStatus(done.error, "read", segment->path, {.offset = 0, .length = kBlockBytes});
      }
      buffers_[done.tag] = std::move(done.buffer);
    }
  }
  for (const FileHandle handle : handles) RETURN_IF_ERROR(io_.UnregisterFile(handle));
  return segments;
}

// Files that are gone are left out.
absl::Status ReadAll(FileSystem& files, StorageIo& io, absl::Span<const std::string> paths,
                     std::vector<SegmentFile>* segments) {
  if (paths.empty()) return absl::OkStatus();
  constexpr uint32_t kHeadersAtOnce = 16;
  ASSIGN_OR_RETURN(HeaderReads reads, HeaderReads::Create(files, io, kHeadersAtOnce));
  for (size_t i = 0; i < paths.size(); i += reads.at_once()) {
    ASSIGN_OR_RETURN(std::vector<absl::StatusOr<SegmentFile>> read,
                     reads.Read(paths.subspan(i, reads.at_once())));
    for (absl::StatusOr<SegmentFile>& segment : read) {
      if (absl::IsNotFound(segment.status())) continue;  // recycled or removed since List
      if (!segment.ok()) return segment.status();
      segments->push_back(*std::move(segment));
    }
  }
  return absl::OkStatus();
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
  ASSIGN_OR_RETURN(HeaderReads reads, HeaderReads::Create(files, io, /*at_once_max=*/1));
  ASSIGN_OR_RETURN(std::vector<absl::StatusOr<SegmentFile>> read, reads.Read({path}));
  return std::move(read[0]);
}

absl::StatusOr<std::vector<SegmentFile>> ListSegments(FileSystem& files, StorageIo& io,
                                                      const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(directory));
  std::vector<std::string> paths;
  for (const DirectoryEntry& entry : entries) {
    if (!ParseSegmentFileName(entry.name).has_value()) continue;
    paths.push_back(absl::StrCat(directory, "/", entry.name));
  }
  std::vector<SegmentFile> segments;
  RETURN_IF_ERROR(ReadAll(files, io, paths, &segments));
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.sequence < b.sequence; });
  RETURN_IF_ERROR(FillGaps(files, io, directory, &segments));
  return segments;
}

}  // namespace corewal
