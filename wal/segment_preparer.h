// wal/segment_preparer.h: gets segment files ready before they are needed, off the append path.
//
//   create --> preallocate --> write zeros --> sync file --> sync directory --> ready
//   recycle (rename an old one) ---------------------------^
//
// Prewriting matters: a datasync on a file of unwritten extents also commits the file system's
// journal and takes about twice as long (FACTS). But it is a luxury: a writer that is starved
// (Hurry) gets its segment without the rest of the zeros.
//
// One file at a time, one operation in flight, each step taken from Step(); opening and renaming
// block for some tens of microseconds, the rest goes through StorageIo.
// Thread: that of `io`.
// Failure: a step that fails (disk full) is undone, its file removed; stall() says why, and it is
// tried again after kRetryNs. A ready segment is never lost.
#ifndef COREWAL_WAL_SEGMENT_PREPARER_H_
#define COREWAL_WAL_SEGMENT_PREPARER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/clock.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io.h"
#include "wal/segment_set.h"

namespace corewal {

class SegmentPreparer {
 public:
  struct Options {
    std::string directory;
    uint64_t segment_bytes = 0;
    uint32_t ready_target = 1;
    DirectMode direct = DirectMode::kAuto;
    uint64_t tag = 0;  // of its operations; their completions go to OnCompletion
    // May one more file be made (recycling one is always allowed)? Not set: yes.
    std::function<absl::Status()> room_for_another;
  };
  struct Ready {
    uint64_t sequence = 0;
    std::string path;
    FileHandle file;
    bool direct = false;
    bool adopted = false;  // it was there before this opening
  };
  static constexpr MonotonicNs kRetryNs = 100'000'000;

  SegmentPreparer(FileSystem& files, StorageIo& io, Options options, uint64_t next_sequence);

  // Registers the directory. Once, before all else.
  absl::Status Open();
  // Takes an existing unstarted file of the right size and name as the next ready one.
  absl::Status Adopt(const SegmentFile& spare);

  // Does the next step if none is in flight and segments are missing.
  void Step(MonotonicNs now);
  void OnCompletion(Completion& completion, MonotonicNs now);

  // The next segment in sequence; nullopt: none is ready.
  std::optional<Ready> Take();
  // The writer waits: skip the zeros of the one being prepared.
  void Hurry() { hurry_ = true; }
  // At least this many are wanted ready, beyond Options::ready_target if larger.
  void WantReady(uint32_t count) { wanted_ = count; }
  uint32_t ready_count() const { return static_cast<uint32_t>(ready_.size()); }

  // Gives a truncated segment's file to be reused, in ascending order. Until then it keeps its name
  // and stands before the log.
  void Recycle(std::string path) { recycled_.push_back(std::move(path)); }
  // Removes the oldest of the files that wait to be reused until at most `keep` are left, each
  // removal durable before the next: a crash never leaves a gap. What fails stays.
  absl::Status RemoveRecycled(size_t keep);
  // Makes renames and removals of older files durable. To be called before a younger file goes:
  // else a crash may undo the one and keep the other, which leaves a gap.
  absl::Status SettleNames();

  // Space may have come back: the next Step tries again.
  void RetryNow() { retry_at_ = 0; }
  // Ready, being prepared, and waiting to be reused.
  size_t files() const {
    return ready_.size() + recycled_.size() + (stage_ != Stage::kIdle ? 1 : 0);
  }

  // Why nothing more can be prepared just now; OK if it can.
  const absl::Status& stall() const { return stall_; }
  // When Step is to try again. A trial that is under way goes on by completions.
  MonotonicNs next_timer() const {
    return stall_.ok() || stage_ != Stage::kIdle ? kNever : retry_at_;
  }
  bool in_flight() const { return in_flight_; }

  // Unregisters what is ready or half done; half done files are removed, and without `keep_ready`
  // also those that it made itself. Nothing may be in flight.
  absl::Status Close(bool keep_ready);

  uint64_t segments_prepared() const { return segments_prepared_; }
  uint64_t prepared_bytes() const { return prepared_bytes_; }

 private:
  enum class Stage : uint8_t { kIdle, kPreallocate, kZero, kSyncFile, kSyncDirectory };

  absl::Status Begin();      // creates or renames the next file and registers it
  absl::Status StageNext();  // stages the operation of stage_
  void Fail(absl::Status why, MonotonicNs now);
  void Finish();

  FileSystem& files_;
  StorageIo& io_;
  const Options options_;
  FileHandle directory_;
  uint64_t next_sequence_;
  uint32_t wanted_ = 0;
  bool hurry_ = false;

  Stage stage_ = Stage::kIdle;
  bool in_flight_ = false;
  Ready current_;
  uint64_t zeroed_bytes_ = 0;
  bool preallocated_ = false;  // so that the zeros may be left out
  BufferLease zeros_;          // held only while a file is being zeroed

  std::deque<Ready> ready_;
  std::deque<std::string> recycled_;
  bool names_unsettled_ = false;  // a truncated segment's file left its place, not yet durably
  absl::Status stall_;
  MonotonicNs retry_at_ = 0;
  uint64_t segments_prepared_ = 0;
  uint64_t prepared_bytes_ = 0;
};

}  // namespace corewal

#endif  // COREWAL_WAL_SEGMENT_PREPARER_H_
