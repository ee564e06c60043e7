#include "tools/follow_run.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "io_backend/storage_io_factory.h"
#include "tools/interrupt.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

constexpr int kPollMs = 50;
constexpr int kTurnRecords = 10'000;  // of one shard before the next has its turn

class ShardFollow {
 public:
  ShardFollow(const DumpTarget& target, const FollowRunOptions& options, RecordPrinter* printer)
      : target_(target), options_(options), printer_(*printer) {}

  absl::Status Open() {
    if (!target_.is_directory) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--follow goes on from segment to segment: name a directory, not ", target_.path));
    }
    RETURN_IF_ERROR(target_.problem);
    ASSIGN_OR_RETURN(io_, CreateStorageIo({}));
    LogFollowerOptions follow;
    follow.from = options_.filter.from;
    ASSIGN_OR_RETURN(follower_, LogFollower::Open(FileSystem::Host(), *io_, target_.path, follow));
    return absl::OkStatus();
  }

  // Prints what there is, at most a turn. True: there is more right now.
  absl::StatusOr<bool> Turn(uint64_t* records_left) {
    RecordView record;
    for (int i = 0; i < kTurnRecords && !ended_ && *records_left > 0; ++i) {
      switch (follower_->Next(&record)) {
        case FollowEvent::kRecord:
          break;
        case FollowEvent::kCaughtUp:
          return false;
        default:
          return absl::Status(follower_->status().code(),
                              absl::StrCat("shard ", ToIndex(target_.shard), ": ",
                                           absl::string_view(follower_->status().message())));
      }
      ended_ = record.lsn >= options_.filter.to;
      if (ended_ || !options_.filter.WantsRecord(record)) continue;
      if (options_.headers) PrintHeaders();
      printer_.PrintRecord(target_.shard, record);
      --*records_left;
    }
    return !ended_ && *records_left > 0;
  }
  bool ended() const { return ended_; }

 private:
  void PrintHeaders() {
    const SegmentHeader& segment = follower_->segment_header();
    const BatchHeader& batch = follower_->batch_header();
    if (batch.lsn == batch_printed_) return;
    if (segment.sequence != segment_printed_) {
      printer_.PrintSegment(segment, follower_->segment_path());
    }
    printer_.PrintBatch(batch, segment);
    segment_printed_ = segment.sequence;
    batch_printed_ = batch.lsn;
  }

  const DumpTarget& target_;
  const FollowRunOptions& options_;
  RecordPrinter& printer_;
  std::unique_ptr<StorageIo> io_;
  std::unique_ptr<LogFollower> follower_;
  bool ended_ = false;
  uint64_t segment_printed_ = 0;
  Lsn batch_printed_;
};

// Sleeps a little. False: whoever reads standard output has gone.
bool OutputIsWanted() {
  pollfd out{STDOUT_FILENO, 0, 0};  // errors and hang-ups are told unasked
  return poll(&out, 1, kPollMs) <= 0 || (out.revents & (POLLERR | POLLNVAL)) == 0;
}

}  // namespace

absl::Status FollowLogs(const std::vector<DumpTarget>& targets, const FollowRunOptions& options,
                        RecordPrinter* printer, Output* out) {
  std::vector<std::unique_ptr<ShardFollow>> shards;
  for (const DumpTarget& target : targets) {
    if (!options.filter.WantsShard(target.shard)) continue;
    shards.push_back(std::make_unique<ShardFollow>(target, options, printer));
    RETURN_IF_ERROR(shards.back()->Open());
  }
  if (shards.empty()) {
    return absl::InvalidArgumentError("there is no shard to follow yet in what was named");
  }
  uint64_t records_left = options.filter.records_max;
  while (!Interrupted() && !out->finished() && records_left > 0) {
    bool more = false;
    for (const auto& shard : shards) {
      ASSIGN_OR_RETURN(const bool shard_has_more, shard->Turn(&records_left));
      more = more || shard_has_more;
    }
    if (std::all_of(shards.begin(), shards.end(), [](const auto& s) { return s->ended(); })) break;
    if (more) continue;
    RETURN_IF_ERROR(out->Send());  // nobody waits for a full buffer
    if (!OutputIsWanted()) break;
  }
  return absl::OkStatus();
}

}  // namespace corewal
