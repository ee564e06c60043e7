#include "tools/dump_target.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/log_meta.h"

namespace corewal {
namespace {

absl::Status AnotherLog(const std::string& file, const LogUuid& uuid, const std::string& other_file,
                        const LogUuid& other) {
  return absl::FailedPreconditionError(absl::StrCat(
      file, " is a segment of another log, ", uuid.ToString(), "; by ", other_file, " this one is ",
      other.ToString(), ": move the foreign file away, or name it alone"));
}

// A file that has not started and need not worry anyone.
std::string Describe(const SegmentFile& segment) {
  if (segment.size_bytes == 0) return "empty: a segment that was never started";
  if (segment.blank) return "zeros: a segment that was prepared, never started";
  return absl::StrCat("recycled, not started: its header is that of its former life as ",
                      SegmentFileName(segment.header.sequence));
}

// The arguments one after the other; segments are gathered and grouped at the end.
class Resolver {
 public:
  Resolver(FileSystem& files, StorageIo& io) : files_(files), io_(io) {}

  absl::Status Add(const std::string& path);
  absl::StatusOr<DumpTargets> Finish();

 private:
  absl::Status AddDirectory(const std::string& path);
  void AddLog(const std::string& path, std::vector<ShardId> shards);
  void AddShard(const std::string& path, std::optional<ShardId> named);
  absl::Status LookAtShard(std::optional<ShardId> named, DumpTarget* target);
  absl::Status AddSegment(const std::string& path);
  void GroupSegments();

  FileSystem& files_;
  StorageIo& io_;
  DumpTargets result_;
  std::vector<SegmentFile> segments_;
  // Of the log directory at hand: its UUID, and the file that says so.
  LogUuid log_uuid_;
  std::string log_uuid_file_;
};

absl::Status Resolver::Add(const std::string& path) {
  struct stat facts;
  if (stat(path.c_str(), &facts) != 0) return ErrnoStatus(errno, "stat", path);
  if (S_ISDIR(facts.st_mode)) return AddDirectory(path);
  return AddSegment(path);
}

absl::Status Resolver::AddDirectory(const std::string& given) {
  std::string path = given;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.List(path));
  std::vector<ShardId> shards;
  bool has_segments = false;
  bool has_meta = false;
  for (const DirectoryEntry& entry : entries) {
    const std::optional<ShardId> shard = ParseShardDirectoryName(entry.name);
    if (shard.has_value() && entry.is_directory) shards.push_back(*shard);
    if (ParseSegmentFileName(entry.name).has_value()) has_segments = true;
    if (entry.name == kLogMetaFileName) has_meta = true;
  }
  log_uuid_ = LogUuid{};
  if (!shards.empty()) {
    AddLog(path, std::move(shards));
    return absl::OkStatus();
  }
  if (has_segments) {
    const size_t slash = path.rfind('/');
    AddShard(path,
             ParseShardDirectoryName(slash == std::string::npos ? path : path.substr(slash + 1)));
    return absl::OkStatus();
  }
  if (has_meta) {
    result_.notes.push_back(absl::StrCat(path, ": a log without shards; nothing was appended yet"));
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat(
      "no log in ", path, ": it has neither shard-NNNN directories nor *.wal segments"));
}

void Resolver::AddLog(const std::string& path, std::vector<ShardId> shards) {
  const absl::StatusOr<LogMeta> meta = ReadLogMeta(files_, path);
  if (meta.ok()) {
    log_uuid_ = meta->uuid;
    log_uuid_file_ = absl::StrCat(path, "/", kLogMetaFileName);
  } else if (!absl::IsNotFound(meta.status())) {
    // The segments say all that reading needs.
    result_.notes.push_back(absl::StrCat("reading goes on without the log's metadata: ",
                                         absl::string_view(meta.status().message())));
  }
  std::sort(shards.begin(), shards.end());
  for (const ShardId shard : shards) AddShard(ShardDirectory(path, shard), shard);
}

void Resolver::AddShard(const std::string& path, std::optional<ShardId> named) {
  DumpTarget target;
  target.path = path;
  target.is_directory = true;
  if (named.has_value()) target.shard = *named;
  target.problem = LookAtShard(named, &target);
  result_.targets.push_back(std::move(target));
}

absl::Status Resolver::LookAtShard(std::optional<ShardId> named, DumpTarget* target) {
  ASSIGN_OR_RETURN(target->segments, ListSegments(files_, io_, target->path));
  for (const SegmentFile& segment : target->segments) {
    if (segment.rule == FormatRule::kSegmentVersion) return ExplainNotStarted(segment);
    if (!segment.started()) {
      target->if_empty.Update(ExplainNotStarted(segment));
      continue;
    }
    if (log_uuid_.is_zero()) {
      log_uuid_ = segment.header.uuid;
      log_uuid_file_ = segment.path;
    }
    if (segment.header.uuid != log_uuid_) {
      return AnotherLog(segment.path, segment.header.uuid, log_uuid_file_, log_uuid_);
    }
    if (named.has_value() && segment.header.shard != *named) {
      return absl::FailedPreconditionError(
          absl::StrCat(segment.path, " is a segment of shard ", ToIndex(segment.header.shard),
                       ": move it into that shard's directory, or name it alone"));
    }
    target->shard = segment.header.shard;
  }
  return absl::OkStatus();
}

absl::Status Resolver::AddSegment(const std::string& given) {
  std::string path = given;
  struct stat facts;
  if (lstat(given.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode)) {
    char* const real = realpath(given.c_str(), nullptr);  // segments are never opened by a link
    if (real == nullptr) return ErrnoStatus(errno, "realpath", given);
    path = real;
    free(real);
  }
  ASSIGN_OR_RETURN(SegmentFile segment, ReadSegmentFile(files_, io_, path));
  if (segment.started()) {
    segments_.push_back(std::move(segment));
    return absl::OkStatus();
  }
  if (segment.rule == FormatRule::kSegmentVersion) return ExplainNotStarted(segment);
  DumpTarget target;
  target.path = path;
  target.if_empty = ExplainNotStarted(segment);
  target.note_if_empty = absl::StrCat(path, ": ", Describe(segment), "; no records");
  target.segments.push_back(std::move(segment));
  result_.targets.push_back(std::move(target));
  return absl::OkStatus();
}

void Resolver::GroupSegments() {
  const auto key = [](const SegmentFile& s) {
    return std::tie(s.header.uuid.bytes, s.header.shard, s.header.sequence);
  };
  std::sort(segments_.begin(), segments_.end(),
            [&](const SegmentFile& a, const SegmentFile& b) { return key(a) < key(b); });
  const SegmentFile* before = nullptr;
  for (const SegmentFile& segment : segments_) {
    const bool follows = before != nullptr && segment.header.uuid == before->header.uuid &&
                         segment.header.shard == before->header.shard &&
                         segment.header.previous_sequence == before->header.sequence;
    if (!follows) {
      DumpTarget target;
      target.path = segment.path;
      target.shard = segment.header.shard;
      result_.targets.push_back(std::move(target));
    }
    result_.targets.back().segments.push_back(segment);
    before = &segment;
  }
  segments_.clear();
}

absl::StatusOr<DumpTargets> Resolver::Finish() {
  GroupSegments();
  return std::move(result_);
}

}  // namespace

uint64_t DumpTarget::started() const {
  return static_cast<uint64_t>(std::count_if(segments.begin(), segments.end(),
                                             [](const SegmentFile& s) { return s.started(); }));
}

const SegmentFile* DumpTarget::FirstStarted() const {
  const auto first = std::find_if(segments.begin(), segments.end(),
                                  [](const SegmentFile& s) { return s.started(); });
  return first == segments.end() ? nullptr : &*first;
}

absl::Status ExplainNotStarted(const SegmentFile& segment) {
  if (segment.blank) return absl::OkStatus();
  const absl::string_view rule = FormatRuleText(segment.rule);
  switch (segment.rule) {
    case FormatRule::kOk:
      return absl::OkStatus();  // recycled
    case FormatRule::kSegmentVersion:
      return absl::FailedPreconditionError(
          absl::StrCat(segment.path, " has format version ", segment.header.version,
                       ", this program reads version ", kFormatVersion,
                       ": use the wal-dump that came with the program that wrote it"));
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(segment.path, " is not a corewal segment: ", rule));
  }
}

absl::StatusOr<DumpTargets> ResolveTargets(FileSystem& files, StorageIo& io,
                                           const std::vector<std::string>& paths) {
  Resolver resolver(files, io);
  for (const std::string& path : paths) RETURN_IF_ERROR(resolver.Add(path));
  return resolver.Finish();
}

}  // namespace corewal
