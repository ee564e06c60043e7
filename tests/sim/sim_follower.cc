#include "tests/sim/sim_follower.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace corewal {

SimFollower::SimFollower(SimFileSystem& files, const std::string& directory,
                         const LogOracle& oracle, const LogFollowerOptions& options)
    : oracle_(oracle), from_the_oldest_(options.from == Lsn()), position_(options.from) {
  auto io = SimStorageIo::Create(files, {.queue_depth = 8, .buffers = 3, .buffer_bytes = 16 << 10});
  CHECK_OK(io.status());
  io_ = *std::move(io);
  auto follower = LogFollower::Open(files, *io_, directory, options);
  open_status_ = follower.status();
  if (follower.ok()) follower_ = *std::move(follower);
}

std::string SimFollower::Check(const RecordView& record) {
  const std::vector<LogOracle::Record>& history = oracle_.history();
  const bool anywhere = !begun_ && from_the_oldest_;
  const auto expected =
      std::lower_bound(history.begin(), history.end(), anywhere ? record.lsn : position_,
                       [](const LogOracle::Record& one, Lsn lsn) { return one.lsn < lsn; });
  const std::string handed_out = absl::StrCat("the follower handed out lsn ", record.lsn.value());
  if (expected == history.end() || expected->lsn != record.lsn) {
    return absl::StrCat("WRONG: ", handed_out, ", expected ",
                        expected == history.end() ? "none" : absl::StrCat(expected->lsn.value()));
  }
  if (expected->payload.size() != record.payload.size() ||
      expected->type != static_cast<uint8_t>(record.type) ||
      std::memcmp(expected->payload.data(), record.payload.data(), record.payload.size()) != 0) {
    return absl::StrCat("WRONG: ", handed_out, ", and it has changed");
  }
  if (record.lsn >= oracle_.durable()) {
    return absl::StrCat("WRONG: ", handed_out, ", durable to ", oracle_.durable().value());
  }
  return "";
}

SimFollower::Result SimFollower::Follow(uint64_t records_max) {
  Result result;
  if (follower_ == nullptr) {
    result.failed = open_status_;
    result.over = true;
    return result;
  }
  RecordView record;
  while (result.records < records_max) {
    switch (follower_->Next(&record)) {
      case FollowEvent::kRecord:
        result.problem = Check(record);
        if (!result.problem.empty()) return result;
        begun_ = true;
        ++result.records;
        position_ = follower_->position();
        break;
      case FollowEvent::kCaughtUp:
        return result;
      case FollowEvent::kTruncated:
        result.over = true;
        if (position_ > oracle_.may_be_gone_before()) {
          result.problem = absl::StrCat("WRONG: the follower at ", position_.value(),
                                        " was told of a truncation; it was before ",
                                        oracle_.may_be_gone_before().value());
        }
        return result;
      case FollowEvent::kCutBack:
      case FollowEvent::kDamaged:
        result.over = true;
        result.problem = absl::StrCat("WRONG: the follower: ", follower_->status().ToString());
        return result;
      case FollowEvent::kFailed:
        result.over = true;
        result.failed = follower_->status();
        return result;
    }
  }
  return result;
}

}  // namespace corewal
