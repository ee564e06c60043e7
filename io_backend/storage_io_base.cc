#include "io_backend/storage_io_base.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/errno_status.h"
#include "base/status_macros.h"

namespace corewal {
StorageIoBase::StorageIoBase(const StorageIoOptions& options, std::unique_ptr<BufferPool> pool)
    : pool_(std::move(pool)),
      files_(options.file_slots),
      operations_(options.queue_depth),
      pieces_(new iovec[options.queue_depth * kWritePiecesMax]),
      pool_sizer_({.buffers_min = options.buffers,
                   .buffers_max = pool_->buffers_max(),
                   .buffer_bytes = options.buffer_bytes,
                   .idle_ns = MonotonicNs{options.buffers_idle_ms} * 1'000'000}),
      latencies_(std::make_unique<IoLatencies>()),
      file_in_flight_max_(options.file_in_flight_max == 0 ? options.queue_depth
                                                          : options.file_in_flight_max),
      queue_full_(absl::ResourceExhaustedError(absl::StrCat(
          "all ", options.queue_depth, " operations of the queue are in flight; Poll and retry"))),
      file_full_(absl::ResourceExhaustedError(
          absl::StrCat("all ", file_in_flight_max_,
                       " operations of the file are unfinished (file_in_flight_max); Wait or Poll, "
                       "and retry"))),
      no_buffer_(absl::ResourceExhaustedError(absl::StrCat(
          "all buffers are lent, of at most ", pool_->buffers_max(), "; Poll and retry"))) {
  capabilities_.buffers = pool_->buffers();
  capabilities_.buffers_max = pool_->buffers_max();
  capabilities_.buffer_bytes = pool_->buffer_bytes();
  capabilities_.buffer_pages = pool_->memory().PagesName();
  capabilities_.buffers_locked = pool_->memory().locked();
}

StorageIoBase::~StorageIoBase() {
  if (notify_fd_ >= 0) close(notify_fd_);
}

absl::StatusOr<FileHandle> StorageIoBase::RegisterFile(OpenFile& file) {
  RETURN_IF_ERROR(owner_.Check());
  if (!file) return absl::InvalidArgumentError("RegisterFile: the file is not open");
  const std::optional<SlotId> id = files_.Allocate();
  if (!id.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat("RegisterFile ", file.path(), ": all ",
                                                     files_.capacity(),
                                                     " file slots are taken (file_slots)"));
  }
  if (absl::Status installed = InstallFile(id->index, file.fd()); !installed.ok()) {
    files_.Free(*id);
    return installed;
  }
  files_.at(id->index).file = std::move(file);
  return FileHandle{id->index, id->generation};
}

absl::Status StorageIoBase::UnregisterFile(FileHandle handle) {
  RETURN_IF_ERROR(owner_.Check());
  RETURN_IF_ERROR(FindFile(handle).status());
  RETURN_IF_ERROR(FinishFile(handle.index));
  CHECK_EQ(files_.at(handle.index).unfinished, 0u);
  if (Pollable()) SignalNotifyFd();
  RETURN_IF_ERROR(ClearFile(handle.index));
  files_.Free(IdOf(handle));  // closes it, after the slot was cleared
  return absl::OkStatus();
}

absl::StatusOr<OpToken> StorageIoBase::Write(const WriteOp& op, BufferLease&& buffer) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  RETURN_IF_ERROR(
      CheckTransfer(file->file, {op.offset.value(), op.length, op.buffer_offset}, &buffer));
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kWrite, op.file, *file, &token));
  staged->write_mode = op.mode;
  staged->offset = op.offset.value();
  staged->length = op.length;
  staged->buffer_offset = op.buffer_offset;
  staged->tag = op.tag;
  staged->buffer = std::move(buffer);
  pool_->Launch(staged->buffer);
  return token;
}

absl::StatusOr<OpToken> StorageIoBase::WriteGather(const GatherOp& op,
                                                   absl::Span<WritePiece> pieces) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  RETURN_IF_ERROR(CheckPieces(file->file, op, pieces));
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kWrite, op.file, *file, &token));
  staged->write_mode = op.mode;
  staged->offset = op.offset.value();
  staged->tag = op.tag;
  staged->pieces = &pieces_[*operations_.Find(token) * kWritePiecesMax];
  staged->piece_count = static_cast<uint32_t>(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    WritePiece& piece = pieces[i];
    staged->pieces[i] = {piece.buffer.data() + piece.offset, piece.length};
    staged->length += piece.length;
    if (i == 0) {
      staged->buffer = std::move(piece.buffer);
    } else {
      pool_->Chain(staged->buffer, std::move(piece.buffer));
    }
  }
  pool_->Launch(staged->buffer);
  return token;
}

absl::StatusOr<OpToken> StorageIoBase::Read(const ReadOp& op, BufferLease&& buffer) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  RETURN_IF_ERROR(
      CheckTransfer(file->file, {op.offset.value(), op.length, op.buffer_offset}, &buffer));
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kRead, op.file, *file, &token));
  staged->offset = op.offset.value();
  staged->length = op.length;
  staged->buffer_offset = op.buffer_offset;
  staged->tag = op.tag;
  staged->buffer = std::move(buffer);
  pool_->Launch(staged->buffer);
  return token;
}

absl::StatusOr<OpToken> StorageIoBase::ReadAny(const ReadOp& op) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  // Before a buffer is taken for it, so that a mistake is told although none is free.
  RETURN_IF_ERROR(CheckTransfer(file->file, {op.offset.value(), op.length, op.buffer_offset},
                                /*buffer=*/nullptr));
  if (!PicksBuffers()) {
    ASSIGN_OR_RETURN(BufferLease buffer, AcquireBuffer());
    return Read(op, std::move(buffer));
  }
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kRead, op.file, *file, &token));
  staged->offset = op.offset.value();
  staged->length = op.length;
  staged->tag = op.tag;
  return token;
}

absl::StatusOr<OpToken> StorageIoBase::Sync(const SyncOp& op) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kSync, op.file, *file, &token));
  staged->sync_mode = op.mode;
  staged->tag = op.tag;
  return token;
}

absl::StatusOr<OpToken> StorageIoBase::Preallocate(const PreallocateOp& op) {
  RETURN_IF_ERROR(owner_.Check());
  ASSIGN_OR_RETURN(RegisteredFile* const file, FindFile(op.file));
  if (op.length == 0 || op.length > INT64_MAX || op.offset.value() > INT64_MAX - op.length) {
    return absl::InvalidArgumentError(absl::StrCat("preallocate ", file->file.path(), ": ",
                                                   op.length, " bytes at offset ",
                                                   op.offset.value(), " is out of range"));
  }
  OpToken token;
  ASSIGN_OR_RETURN(Operation* const staged, Stage(OpKind::kPreallocate, op.file, *file, &token));
  staged->offset = op.offset.value();
  staged->length = op.length;
  staged->tag = op.tag;
  return token;
}

absl::Status StorageIoBase::Cancel(OpToken token) {
  RETURN_IF_ERROR(owner_.Check());
  const std::optional<uint32_t> slot = operations_.Find(token);
  if (!slot.has_value())
    return absl::NotFoundError("Cancel: no operation in flight has this token");
  Operation& op = operations_.at(*slot);
  switch (op.state()) {
    case Operation::State::kStaged:
      op.error = ECANCELED;
      --files_.at(op.file_index).unfinished;
      operations_.Unstage(*slot);
      SignalNotifyFd();
      return absl::OkStatus();
    case Operation::State::kInKernel:
      if (op.cancel_asked) return absl::OkStatus();
      RETURN_IF_ERROR(CancelInKernel(*slot));
      op.cancel_asked = true;
      return absl::OkStatus();
    case Operation::State::kReady:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status StorageIoBase::Submit() {
  RETURN_IF_ERROR(owner_.Check());
  return SubmitStaged();
}

absl::Status StorageIoBase::Wait(uint32_t min_completions, MonotonicNs deadline) {
  RETURN_IF_ERROR(owner_.Check());
  if (min_completions == 0) return absl::InvalidArgumentError("Wait: min_completions is 0");
  absl::Status waited = WaitReady(min_completions, deadline);
  ShrinkPoolIfIdle();
  if (Pollable()) SignalNotifyFd();
  return waited;
}

size_t StorageIoBase::Poll(absl::Span<Completion> out) {
  if (owner_.Identify() != ThreadOwner::Caller::kOwner || out.empty()) return 0;
  for (Completion& completion : out) completion.buffer.Return();
  if (notify_fd_ >= 0) ResetNotifyFd();  // before reaping, so that what comes later signals again
  if (operations_.ready() < out.size()) Reap(static_cast<uint32_t>(out.size()));
  const size_t count = std::min<size_t>(out.size(), operations_.ready());
  for (size_t i = 0; i < count; ++i) {
    const uint32_t slot = operations_.PopReady();
    Operation& op = operations_.at(slot);
    if (op.buffer) pool_->Land(op.buffer);
    out[i] = Completion{.token = operations_.token(slot),
                        .tag = op.tag,
                        .kind = op.kind,
                        .error = op.error,
                        .bytes = static_cast<uint32_t>(op.done),
                        .buffer = std::move(op.buffer)};
    operations_.Free(slot);
  }
  ShrinkPoolIfIdle();
  if (Pollable()) SignalNotifyFd();
  return count;
}

absl::StatusOr<int> StorageIoBase::notify_fd() {
  RETURN_IF_ERROR(owner_.Check());
  if (notify_fd_ >= 0) return notify_fd_;
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "eventfd", "for notify_fd");
  if (absl::Status attached = AttachNotifyFd(fd); !attached.ok()) {
    close(fd);
    return attached;
  }
  notify_fd_ = fd;
  if (Pollable()) SignalNotifyFd();
  return fd;
}

void StorageIoBase::CountSubmitted(const Operation& op) {
  ++stats_.submitted;
  switch (op.kind) {
    case OpKind::kWrite:
      ++stats_.writes;
      if (op.write_mode == WriteMode::kDsync) ++stats_.syncs;
      break;
    case OpKind::kRead:
      ++stats_.reads;
      break;
    case OpKind::kSync:
      ++stats_.syncs;
      break;
    case OpKind::kPreallocate:
      break;
  }
}

void StorageIoBase::Finish(uint32_t slot) {
  const Operation& op = operations_.at(slot);
  ++stats_.completed;
  if (op.error != 0) ++stats_.failed;
  stats_.short_transfers += op.short_transfers;
  latencies_->of(op.kind).Record(static_cast<uint64_t>(now_ns_ - op.submitted_ns));
  if (op.kind == OpKind::kWrite) stats_.bytes_written += op.done;
  if (op.kind == OpKind::kRead) stats_.bytes_read += op.done;
  --files_.at(op.file_index).unfinished;
  operations_.MarkReady(slot);
}

absl::StatusOr<StorageIoBase::RegisteredFile*> StorageIoBase::FindFile(FileHandle handle) {
  RegisteredFile* const file = files_.Find(IdOf(handle));
  if (file != nullptr) return file;
  return absl::InvalidArgumentError(absl::StrCat("file handle ", handle.index, " generation ",
                                                 handle.generation, " is not registered (stale?)"));
}

absl::StatusOr<Operation*> StorageIoBase::Stage(OpKind kind, FileHandle handle,
                                                RegisteredFile& file, OpToken* token) {
  if (operations_.full()) {
    ++stats_.queue_full;
    return queue_full_;
  }
  if (file.unfinished >= file_in_flight_max_) {
    ++stats_.file_full;
    return file_full_;
  }
  Operation& op = operations_.Stage(kind, token);
  op.file_index = handle.index;
  op.fd = file.file.fd();
  op.alignment = file.file.facts().alignment;
  ++file.unfinished;
  return &op;
}

// A counter at its limit is as readable as one at 1.
void StorageIoBase::SignalNotifyFd() {
  if (notify_fd_ < 0) return;
  const uint64_t one = 1;
  (void)!write(notify_fd_, &one, sizeof(one));
}

void StorageIoBase::ResetNotifyFd() {
  uint64_t count;
  (void)!read(notify_fd_, &count, sizeof(count));
}

}  // namespace corewal
