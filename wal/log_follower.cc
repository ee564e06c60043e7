#include "wal/log_follower.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

FollowEvent EventOf(LogTail::Step step) {
  switch (step) {
    case LogTail::Step::kBatch:
    case LogTail::Step::kCaughtUp:
      return FollowEvent::kCaughtUp;
    case LogTail::Step::kTruncated:
      return FollowEvent::kTruncated;
    case LogTail::Step::kCutBack:
      return FollowEvent::kCutBack;
    case LogTail::Step::kDamaged:
      return FollowEvent::kDamaged;
    case LogTail::Step::kFailed:
      return FollowEvent::kFailed;
  }
  return FollowEvent::kFailed;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFollower>> LogFollower::Open(FileSystem& files, StorageIo& io,
                                                               std::string directory,
                                                               const LogFollowerOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<LogTail> tail, LogTail::Create(files, io, std::move(directory),
                                                                  {.from = options.from,
                                                                   .read_ahead = options.read_ahead,
                                                                   .direct = options.direct,
                                                                   .durable = options.durable}));
  return std::unique_ptr<LogFollower>(new LogFollower(std::move(tail), options));
}

LogFollower::LogFollower(std::unique_ptr<LogTail> tail, const LogFollowerOptions& options)
    : records_({.from = options.from, .pieces = options.pieces, .user_only = options.user_only}),
      tail_(std::move(tail)),
      next_from_(options.from) {}

FollowEvent LogFollower::NextSlow(RecordView* record) {
  for (;;) {
    if (records_.Next(record) == BatchRecords::Step::kRecord) {
      if (record->last_part()) next_from_ = record->lsn + 1;
      return FollowEvent::kRecord;
    }
    const Lsn open = records_.open_lsn();
    const Lsn behind = records_.assembling() ? open : tail_->position();
    if (behind > next_from_) next_from_ = behind;
    const LogTail::Step step = tail_->Next();
    if (step != LogTail::Step::kBatch) return last_ = EventOf(step);
    if (tail_->segment_path() != entered_path_) {
      entered_path_ = tail_->segment_path();
      file_bytes_ += tail_->segment_bytes();
      records_.AllowBytes(file_bytes_);
    }
    records_.Take(tail_->batch());
  }
}

absl::Status LogFollower::status() const {
  switch (last_) {
    case FollowEvent::kRecord:
    case FollowEvent::kCaughtUp:
      return absl::OkStatus();
    case FollowEvent::kTruncated:
      return absl::OutOfRangeError(
          absl::StrCat("truncation has overtaken this reader: it is at lsn ", position().value(),
                       ", the log begins at lsn ", oldest().value()));
    case FollowEvent::kCutBack:
      return absl::AbortedError(
          absl::StrCat("a crash has cut the log off before lsn ", position().value(),
                       ", to where it had been read without being known to be durable"));
    case FollowEvent::kDamaged:
    case FollowEvent::kFailed:
      return report().ToStatus();
  }
  return absl::OkStatus();
}

}  // namespace corewal
