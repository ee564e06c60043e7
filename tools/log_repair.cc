#include "tools/log_repair.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/log_reader.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

constexpr size_t kCopyBytes = 1u << 20;

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Reads up to `bytes` at `offset`; how many there were.
absl::StatusOr<size_t> ReadAt(const OpenFile& file, std::vector<std::byte>* buffer,
                              uint64_t offset) {
  for (;;) {
    const ssize_t got =
        pread(file.fd(), buffer->data(), buffer->size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) {
      return ErrnoStatus(errno, "pread", file.path(), {.offset = offset, .length = buffer->size()});
    }
  }
}

// Whether anything but zeros stands at or behind `offset`: a file prepared ahead is full of them.
absl::StatusOr<bool> HasBytesFrom(FileSystem& files, const std::string& path, uint64_t offset) {
  ASSIGN_OR_RETURN(const OpenFile file, files.Open(path, {}));
  std::vector<std::byte> buffer(kCopyBytes);
  for (;;) {
    ASSIGN_OR_RETURN(const size_t got, ReadAt(file, &buffer, offset));
    if (got == 0) return false;
    const auto end = buffer.begin() + static_cast<ptrdiff_t>(got);
    if (std::any_of(buffer.begin(), end, [](std::byte b) { return b != std::byte{0}; })) {
      return true;
    }
    offset += got;
  }
}

absl::Status WriteAll(const OpenFile& file, const std::byte* data, size_t bytes, uint64_t offset) {
  while (bytes > 0) {
    const ssize_t written = pwrite(file.fd(), data, bytes, static_cast<off_t>(offset));
    if (written > 0) {
      data += written;
      bytes -= static_cast<size_t>(written);
      offset += static_cast<uint64_t>(written);
    } else if (written == 0 || errno != EINTR) {
      return ErrnoStatus(written == 0 ? ENOSPC : errno, "pwrite", file.path(),
                         {.offset = offset, .length = bytes});
    }
  }
  return absl::OkStatus();
}

absl::Status CopyBytes(FileSystem& files, const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const OpenFile source, files.Open(from, {}));
  ASSIGN_OR_RETURN(const OpenFile copy, files.Open(to, {.access = OpenOptions::Access::kCreate}));
  std::vector<std::byte> buffer(kCopyBytes);
  for (uint64_t offset = 0;;) {
    ASSIGN_OR_RETURN(const size_t got, ReadAt(source, &buffer, offset));
    if (got == 0) break;
    RETURN_IF_ERROR(WriteAll(copy, buffer.data(), got, offset));
    offset += got;
  }
  if (fsync(copy.fd()) != 0) return ErrnoStatus(errno, "fsync", to);
  return absl::OkStatus();
}

// The copy is durable, or there is none.
absl::Status CopyAside(FileSystem& files, const RepairStep& step) {
  const absl::Status copied = CopyBytes(files, step.path, step.backup);
  if (copied.ok()) return files.SyncDirectory(DirectoryOf(step.backup));
  // A file of that name was not ours to remove.
  if (!absl::IsAlreadyExists(copied)) files.Remove(step.backup).IgnoreError();
  if (!absl::IsResourceExhausted(copied)) return copied;
  return absl::ResourceExhaustedError(
      absl::StrCat(copied.message(), ": no room for the copy of ", step.path, " (", step.size_bytes,
                   " bytes); nothing was changed; free that much on its file system and repeat"));
}

std::string FreeName(const std::string& path, const std::set<std::string>& taken) {
  std::string name = absl::StrCat(path, ".damaged");
  for (int i = 2; taken.count(name) > 0; ++i) name = absl::StrCat(path, ".damaged-", i);
  return name;
}

// What a reader would follow, or take for a witness, beyond the new end.
bool MustGo(const SegmentFile& segment, const LogEndReport& end) {
  return segment.started() || (segment.rule != FormatRule::kOk && !segment.blank) ||
         segment.path == end.witness_file || segment.path == end.file;
}

}  // namespace

std::string RepairStep::ToString() const {
  if (kind == Kind::kMove) return absl::StrCat("move ", path, " to ", backup);
  return absl::StrCat("copy ", path, " (", size_bytes, " bytes) to ", backup, ", then cut it at ",
                      offset);
}

absl::StatusOr<RepairPlan> PlanRepair(FileSystem& files, StorageIo& io,
                                      const std::string& directory) {
  RepairPlan plan;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> reader,
                     LogReader::Open(files, io, directory, {}));
    for (RecordView record; reader->Next(&record);) ++plan.records;
    plan.end = reader->end();
  }
  if (plan.end.end == LogEnd::kFailed) return plan.end.io_error;
  if (!plan.needed()) return plan;
  ASSIGN_OR_RETURN(const std::vector<SegmentFile> segments, ListSegments(files, io, directory));
  ASSIGN_OR_RETURN(plan.lost, CountLostRecords(files, segments, plan.end.lsn));
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.List(directory));
  std::set<std::string> taken;
  for (const DirectoryEntry& entry : entries)
    taken.insert(absl::StrCat(directory, "/", entry.name));

  const size_t tail = SegmentOfEnd(segments, plan.end.lsn);
  if (tail < segments.size()) {
    const SegmentFile& segment = segments[tail];
    RepairStep cut{RepairStep::Kind::kCut, segment.path, segment.size_bytes,
                   plan.end.lsn - segment.header.base_lsn, FreeName(segment.path, taken)};
    ASSIGN_OR_RETURN(const bool any, HasBytesFrom(files, cut.path, cut.offset));
    if (any) plan.steps.push_back(cut);
  }
  for (size_t i = segments.size(); i-- > 0 && (tail == segments.size() || i > tail);) {
    const SegmentFile& segment = segments[i];
    if (!MustGo(segment, plan.end)) continue;
    plan.steps.push_back({RepairStep::Kind::kMove, segment.path, segment.size_bytes, 0,
                          FreeName(segment.path, taken)});
  }
  return plan;
}

absl::Status ApplyRepair(FileSystem& files, const RepairPlan& plan) {
  for (const RepairStep& step : plan.steps) {
    if (step.kind == RepairStep::Kind::kCut) {
      RETURN_IF_ERROR(CopyAside(files, step));
      RETURN_IF_ERROR(files.Resize(step.path, step.offset));
    } else {
      RETURN_IF_ERROR(files.Rename(step.path, step.backup));
    }
    RETURN_IF_ERROR(files.SyncDirectory(DirectoryOf(step.path)));
  }
  return absl::OkStatus();
}

}  // namespace corewal
