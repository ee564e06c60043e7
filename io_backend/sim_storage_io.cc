#include "io_backend/sim_storage_io.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

absl::Status OnlyStuckLeft(uint32_t in_kernel) {
  return absl::DeadlineExceededError(
      absl::StrCat("nothing will ever complete: ", in_kernel, " operations are stuck"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SimStorageIo>> SimStorageIo::Create(
    SimFileSystem& files, const StorageIoOptions& options) {
  std::vector<std::string> reasons;
  if (options.read_buffers == ReadBuffers::kRing) {
    reasons.emplace_back("ReadAny takes buffers of the pool: there is no ring to pick from");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<BufferPool> pool,
                   BufferPool::Create(options, /*ring_buffers=*/0, &reasons));
  std::unique_ptr<SimStorageIo> io(new SimStorageIo(files, options, std::move(pool)));
  io->mutable_capabilities().fallback_reasons = std::move(reasons);
  return io;
}

SimStorageIo::SimStorageIo(SimFileSystem& files, const StorageIoOptions& options,
                           std::unique_ptr<BufferPool> pool)
    : StorageIoBase(options, std::move(pool)),
      files_(files),
      disk_(files.disk()),
      storage_(disk_.NewStorage()),
      requests_(options.queue_depth),
      crashed_(files.crashed()) {
  IoCapabilities& caps = mutable_capabilities();
  caps.backend = "sim";
  if (!crashed_) disk_.Attach(this);
}

SimStorageIo::~SimStorageIo() {
  if (owner().Identify() == ThreadOwner::Caller::kForkedChild) return;
  if (owner().Identify() == ThreadOwner::Caller::kForeignThread) {
    if (in_flight() > 0) pool().Leak();
  } else {
    while (!in_kernel_.empty() && disk_.timeline().RunNext(kNever)) {
    }
    DropOperations();  // the stuck ones too: this device writes to no memory that is gone
  }
  disk_.timeline().Cancel(this);
  disk_.DropStuck(this);
  if (!crashed_) disk_.Detach(this);
}

absl::Status SimStorageIo::SubmitStaged() {
  LaunchStaged();
  if (Pollable()) SignalNotifyFd();
  return absl::OkStatus();
}

absl::Status SimStorageIo::WaitReady(uint32_t min_ready, MonotonicNs deadline) {
  LaunchStaged();
  SimTimeline& timeline = disk_.timeline();
  while (operations().ready() < min_ready && !in_kernel_.empty()) {
    if (timeline.RunNext(deadline)) continue;
    if (deadline == kNever) return OnlyStuckLeft(operations().in_kernel());
    timeline.AdvanceTo(deadline);
    break;
  }
  return absl::OkStatus();
}

void SimStorageIo::Reap(uint32_t) {
  if (operations().ready() > 0 || in_kernel_.empty()) return;
  disk_.timeline().AdvanceTo(disk_.timeline().Now() + kPollNs);
}

absl::Status SimStorageIo::FinishFile(uint32_t index) {
  LaunchStaged();
  while (file_at(index).unfinished > 0) {
    if (!disk_.timeline().RunNext(kNever)) return OnlyStuckLeft(operations().in_kernel());
  }
  return absl::OkStatus();
}

void SimStorageIo::LaunchStaged() {
  while (operations().staged() > 0) {
    const uint32_t slot = operations().Launch(disk_.timeline().Now());
    const Operation& op = operations().at(slot);
    CountSubmitted(op);
    in_kernel_.insert(slot);
    requests_[slot] = {disk_.NewWrite(), disk_.ScopeOfNow(storage_, op.polled_before), false};
    Schedule(slot);
  }
}

void SimStorageIo::Schedule(uint32_t slot) {
  Operation& op = operations().at(slot);
  if (crashed_) {
    op.error = EIO;
    return Complete(slot);
  }
  if (disk_.Strike(SimFault::kStuck)) return disk_.HoldStuck(this, slot);
  const SimDiskOptions::Latency& latency =
      op.kind == OpKind::kSync ? disk_.options().sync : disk_.options().transfer;
  MonotonicNs takes = static_cast<MonotonicNs>(disk_.random().Between(
      static_cast<uint64_t>(latency.min_ns), static_cast<uint64_t>(latency.max_ns)));
  if (disk_.Strike(SimFault::kLateCompletion)) takes *= 100;
  if (disk_.Strike(SimFault::kReorder)) takes = 0;
  disk_.timeline().Schedule(disk_.timeline().Now() + takes, this, slot);
}

void SimStorageIo::OnDue(uint32_t slot) {
  Operation& op = operations().at(slot);
  ++mutable_stats().enters;
  const int64_t answer = op.cancel_asked ? -ECANCELED : Attempt(slot);
  disk_.Trace(absl::StrCat(disk_.timeline().Now(), " ns  storage ", storage_, " ",
                           OpKindName(op.kind), op.write_mode == WriteMode::kDsync ? " dsync" : "",
                           " fd ", op.fd, " offset ", op.rest_offset(), " length ",
                           op.rest_length(), " = ", answer));
  if (op.TakeAnswer(answer) == Operation::Verdict::kTryRest) return Schedule(slot);
  Complete(slot);
}

void SimStorageIo::Complete(uint32_t slot) {
  const Operation& op = operations().at(slot);
  ++completed_;
  if (!crashed_ && (op.kind == OpKind::kWrite || op.kind == OpKind::kPreallocate)) {
    const uint64_t write_id = requests_[slot].write_id;
    // What a failed write left in the page cache is synced with the rest.
    disk_.WriteCompleted(write_id, storage_, completed_);
    if (op.error == 0 && op.write_mode == WriteMode::kDsync &&
        !disk_.Strike(SimFault::kLyingSync)) {
      files_.InodeOf(op.fd).file.MakeDurable([&](uint64_t id) { return id == write_id; });
    }
  }
  in_kernel_.erase(slot);
  SetNow(disk_.timeline().Now());
  Finish(slot);
}

int64_t SimStorageIo::Attempt(uint32_t slot) {
  Operation& op = operations().at(slot);
  switch (op.kind) {
    case OpKind::kWrite:
      return AttemptWrite(op, requests_[slot]);
    case OpKind::kRead:
      return AttemptRead(op);
    case OpKind::kSync:
      return -disk_.Sync(files_.InodeOf(op.fd), requests_[slot].scope);
    case OpKind::kPreallocate:
      return AttemptPreallocate(op, requests_[slot]);
  }
  return -EINVAL;
}

uint64_t SimStorageIo::TakenOf(const Operation& op, Request& request) {
  const uint64_t rest = op.rest_length();
  if (request.short_for_good) return 0;
  const bool short_for_good = disk_.Strike(SimFault::kShortForGood);
  if (!short_for_good && !disk_.Strike(SimFault::kShortWrite)) return rest;
  request.short_for_good = short_for_good;
  const uint64_t units = (rest - 1) / op.alignment;  // whole ones, short of all
  return units == 0 ? (short_for_good ? 0 : rest) : disk_.random().Between(1, units) * op.alignment;
}

// The pool guards buffers in flight; the device may touch them.
std::string SimStorageIo::RestOf(const Operation& op, uint64_t bytes) {
  pool().Land(op.buffer);
  std::string rest;
  if (op.gathers()) {
    for (const iovec* piece = op.pieces; rest.size() < bytes; ++piece) {
      rest.append(static_cast<const char*>(piece->iov_base),
                  std::min<uint64_t>(piece->iov_len, bytes - rest.size()));
    }
  } else {
    rest.assign(reinterpret_cast<const char*>(op.rest_data()), bytes);
  }
  pool().Launch(op.buffer);
  return rest;
}

int64_t SimStorageIo::AttemptWrite(Operation& op, Request& request) {
  if (!files_.MayWrite(op.fd)) return -EBADF;
  SimDisk::Inode& inode = files_.InodeOf(op.fd);
  uint64_t offset = op.rest_offset();
  if (offset + op.rest_length() > disk_.options().file_bytes_max) return -EFBIG;
  if (disk_.Strike(SimFault::kEnospc)) return -ENOSPC;
  uint64_t bytes = TakenOf(op, request);
  const bool fails = disk_.Strike(SimFault::kWriteEio);
  if (fails) bytes = disk_.random().Between(0, bytes);
  if (bytes > 0 && disk_.Strike(SimFault::kMisdirectedWrite)) {
    const uint64_t blocks = inode.file.live().size() / SimDisk::kBlockBytes;
    if (blocks > 0) offset = disk_.random().Below(blocks) * SimDisk::kBlockBytes;
  }
  const uint64_t fits = disk_.Charge(inode, offset, bytes);
  if (fits == 0 && bytes > 0) return fails ? -EIO : -ENOSPC;
  inode.file.Write(request.write_id, offset, RestOf(op, fits));
  return fails ? -EIO : static_cast<int64_t>(fits);
}

int64_t SimStorageIo::AttemptRead(Operation& op) {
  if (disk_.Strike(SimFault::kReadEio)) return -EIO;
  const std::string& live = files_.InodeOf(op.fd).file.live();
  if (op.rest_offset() >= live.size()) return 0;
  const uint64_t bytes = std::min<uint64_t>(op.rest_length(), live.size() - op.rest_offset());
  pool().Land(op.buffer);
  std::memcpy(op.rest_data(), live.data() + op.rest_offset(), bytes);
  pool().Launch(op.buffer);
  return static_cast<int64_t>(bytes);
}

int64_t SimStorageIo::AttemptPreallocate(const Operation& op, const Request& request) {
  if (!files_.MayWrite(op.fd)) return -EBADF;
  SimDisk::Inode& inode = files_.InodeOf(op.fd);
  const uint64_t end = op.offset + op.length;
  if (end > disk_.options().file_bytes_max) return -EFBIG;
  if (disk_.Strike(SimFault::kEnospc)) return -ENOSPC;
  if (disk_.Charge(inode, op.offset, op.length) < op.length) return -ENOSPC;
  inode.file.Extend(request.write_id, end);
  return 0;
}

// A power loss takes any sectors of a write in flight, the kill of a process any whole blocks from
// its beginning: the kernel goes on with what it was told.
void SimStorageIo::TakeInFlightWrite(uint32_t slot, SimCrash mode) {
  const Operation& op = operations().at(slot);
  SeededRandom& random = disk_.random();
  if (op.kind != OpKind::kWrite || !files_.MayWrite(op.fd)) return;
  // What a short write has done already is done: a sync by a later process covers it.
  disk_.WriteCompleted(requests_[slot].write_id, storage_, completed_);
  if (!disk_.choices().TakeInFlight()) return;
  uint64_t bytes = op.rest_length();
  if (mode == SimCrash::kProcessKill && random.Below(2) == 0) {
    bytes = std::min(bytes, random.Below(bytes / SimDisk::kBlockBytes + 1) * SimDisk::kBlockBytes);
  }
  if (op.rest_offset() + bytes > disk_.options().file_bytes_max) return;
  SimDisk::Inode& inode = files_.InodeOf(op.fd);
  bytes = disk_.Charge(inode, op.rest_offset(), bytes);
  inode.file.Write(requests_[slot].write_id, op.rest_offset(), RestOf(op, bytes));
}

void SimStorageIo::OnCrash(SimCrash mode) {
  disk_.timeline().Cancel(this);
  const std::set<uint32_t> in_kernel = in_kernel_;
  // The file system may have been told of the crash before; its descriptors are still there.
  for (const uint32_t slot : in_kernel) TakeInFlightWrite(slot, mode);
  crashed_ = true;
  for (const uint32_t slot : in_kernel) {
    operations().at(slot).error = EIO;
    Complete(slot);
  }
}

}  // namespace corewal
