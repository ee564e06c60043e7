#include "wal/segment_preparer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/mutation.h"
#include "base/status_macros.h"
#include "wal/format.h"
#include "wal/segment_file.h"

namespace corewal {

SegmentPreparer::SegmentPreparer(FileSystem& files, StorageIo& io, Options options,
                                 uint64_t next_sequence)
    : files_(files), io_(io), options_(std::move(options)), next_sequence_(next_sequence) {}

absl::Status SegmentPreparer::Open() {
  ASSIGN_OR_RETURN(OpenFile directory, files_.OpenDirectory(options_.directory));
  ASSIGN_OR_RETURN(directory_, io_.RegisterFile(directory));
  return absl::OkStatus();
}

absl::Status SegmentPreparer::Adopt(const SegmentFile& spare) {
  CHECK(stage_ == Stage::kIdle);
  CHECK_EQ(spare.sequence, next_sequence_);
  CHECK_EQ(spare.size_bytes, options_.segment_bytes);
  ASSIGN_OR_RETURN(
      OpenFile file,
      OpenSegmentFile(files_, spare.path, OpenOptions::Access::kReadWrite, options_.direct));
  const bool direct = file.facts().direct;
  ASSIGN_OR_RETURN(FileHandle handle, io_.RegisterFile(file));
  ready_.push_back({spare.sequence, spare.path, handle, direct, /*adopted=*/true});
  ++next_sequence_;
  return absl::OkStatus();
}

void SegmentPreparer::Step(MonotonicNs now) {
  if (in_flight_) return;
  if (stage_ == Stage::kIdle) {
    if (ready_.size() >= std::max(options_.ready_target, wanted_)) {
      stall_ = absl::OkStatus();  // nothing is missing any more
      return;
    }
    if (!stall_.ok() && now < retry_at_) return;
    if (absl::Status begun = Begin(); !begun.ok()) return Fail(std::move(begun), now);
  }
  if (absl::Status staged = StageNext(); !staged.ok()) {
    if (absl::IsResourceExhausted(staged)) return;  // no buffer or slot just now; next turn
    Fail(std::move(staged), now);
  }
}

absl::Status SegmentPreparer::Begin() {
  current_ = Ready{};
  current_.sequence = next_sequence_;
  current_.path = absl::StrCat(options_.directory, "/", SegmentFileName(next_sequence_));
  const bool recycle = !recycled_.empty();
  if (!recycle && options_.room_for_another) RETURN_IF_ERROR(options_.room_for_another());
  if (recycle) {
    RETURN_IF_ERROR(SettleNames());
    names_unsettled_ = true;
    RETURN_IF_ERROR(files_.Rename(recycled_.front(), current_.path));
    recycled_.pop_front();
  }
  const auto access = recycle ? OpenOptions::Access::kReadWrite : OpenOptions::Access::kCreate;
  // From here on the file exists under current_.path, and Fail() removes it.
  stage_ = recycle ? Stage::kSyncDirectory : Stage::kPreallocate;
  ASSIGN_OR_RETURN(OpenFile file, OpenSegmentFile(files_, current_.path, access, options_.direct));
  current_.direct = file.facts().direct;
  ASSIGN_OR_RETURN(current_.file, io_.RegisterFile(file));
  zeroed_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status SegmentPreparer::StageNext() {
  if (stage_ == Stage::kZero && hurry_ && preallocated_) stage_ = Stage::kSyncFile;
  switch (stage_) {
    case Stage::kIdle:
      return absl::OkStatus();
    case Stage::kPreallocate:
      RETURN_IF_ERROR(io_.Preallocate({.file = current_.file,
                                       .offset = FileOffset(0),
                                       .length = options_.segment_bytes,
                                       .tag = options_.tag})
                          .status());
      break;
    case Stage::kZero: {
      if (!zeros_) {
        ASSIGN_OR_RETURN(zeros_, io_.AcquireBuffer());
        std::memset(zeros_.data(), 0, zeros_.size());
      }
      const uint64_t left = options_.segment_bytes - zeroed_bytes_;
      RETURN_IF_ERROR(
          io_.Write({.file = current_.file,
                     .offset = FileOffset(zeroed_bytes_),
                     .length = static_cast<uint32_t>(std::min<uint64_t>(zeros_.size(), left)),
                     .tag = options_.tag},
                    std::move(zeros_))
              .status());
      break;
    }
    case Stage::kSyncFile:
      RETURN_IF_ERROR(io_.Sync({.file = current_.file, .tag = options_.tag}).status());
      break;
    case Stage::kSyncDirectory:
      if (Mutated(Mutation::kNoDirectorySync)) {
        Finish();
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(
          io_.Sync({.file = directory_, .mode = SyncMode::kFull, .tag = options_.tag}).status());
      break;
  }
  in_flight_ = true;
  return absl::OkStatus();
}

void SegmentPreparer::OnCompletion(Completion& completion, MonotonicNs now) {
  CHECK(in_flight_);
  in_flight_ = false;
  // Where nothing can be preallocated the zeros alone make the file.
  const bool no_fallocate = stage_ == Stage::kPreallocate && completion.error == EOPNOTSUPP;
  if (!completion.ok() && !no_fallocate) {
    return Fail(ErrnoStatus(completion.error, OpKindName(completion.kind), current_.path), now);
  }
  stall_ = absl::OkStatus();
  switch (stage_) {
    case Stage::kIdle:
      CHECK(false) << "completion without an operation";
      break;
    case Stage::kPreallocate:
      preallocated_ = !no_fallocate;
      stage_ = Stage::kZero;
      break;
    case Stage::kZero:
      zeroed_bytes_ += completion.bytes;
      prepared_bytes_ += completion.bytes;
      zeros_ = std::move(completion.buffer);
      if (zeroed_bytes_ == options_.segment_bytes) stage_ = Stage::kSyncFile;
      break;
    case Stage::kSyncFile:
      stage_ = Stage::kSyncDirectory;
      break;
    case Stage::kSyncDirectory:
      names_unsettled_ = false;
      Finish();
      break;
  }
}

void SegmentPreparer::Finish() {
  zeros_.Return();
  ready_.push_back(std::move(current_));
  ++next_sequence_;
  ++segments_prepared_;
  stage_ = Stage::kIdle;
  hurry_ = false;
}

void SegmentPreparer::Fail(absl::Status why, MonotonicNs now) {
  stall_ = absl::Status(why.code(), absl::StrCat("preparing the next segment: ", why.message()));
  retry_at_ = now + kRetryNs;
  if (stage_ == Stage::kIdle) return;  // nothing was created
  zeros_.Return();
  if (current_.file.index != UINT32_MAX) io_.UnregisterFile(current_.file).IgnoreError();
  files_.Remove(current_.path).IgnoreError();  // whatever is left is found and removed at open
  stage_ = Stage::kIdle;
}

std::optional<SegmentPreparer::Ready> SegmentPreparer::Take() {
  if (ready_.empty()) return std::nullopt;
  Ready ready = std::move(ready_.front());
  ready_.pop_front();
  wanted_ = 0;
  return ready;
}

absl::Status SegmentPreparer::SettleNames() {
  if (!names_unsettled_) return absl::OkStatus();
  RETURN_IF_ERROR(files_.SyncDirectory(options_.directory));
  names_unsettled_ = false;
  return absl::OkStatus();
}

absl::Status SegmentPreparer::RemoveRecycled(size_t keep) {
  if (recycled_.size() > keep) RETURN_IF_ERROR(SettleNames());
  while (recycled_.size() > keep) {
    RETURN_IF_ERROR(RemoveSegmentFile(files_, options_.directory, recycled_.front()));
    recycled_.pop_front();
  }
  return absl::OkStatus();
}

absl::Status SegmentPreparer::Close(bool keep_ready) {
  CHECK(!in_flight_);
  absl::Status first;
  if (stage_ != Stage::kIdle) {
    zeros_.Return();
    first.Update(io_.UnregisterFile(current_.file));
    first.Update(files_.Remove(current_.path));
    stage_ = Stage::kIdle;
  }
  for (const Ready& ready : ready_) {
    first.Update(io_.UnregisterFile(ready.file));
    if (!keep_ready && !ready.adopted) first.Update(files_.Remove(ready.path));
  }
  ready_.clear();
  first.Update(RemoveRecycled(0));
  recycled_.clear();
  stall_ = absl::OkStatus();
  first.Update(io_.UnregisterFile(directory_));
  return first;
}

}  // namespace corewal
