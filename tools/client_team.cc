#include "tools/client_team.h"

#include <chrono>
#include <utility>

#include "base/check.h"

namespace corewal {

ClientTeam::ClientTeam(std::vector<std::unique_ptr<BenchClient>> clients)
    : members_(clients.size()) {
  for (size_t i = 0; i < clients.size(); ++i) {
    members_[i].client = std::move(clients[i]);
    members_[i].thread = std::thread([this, i] { ThreadMain(members_[i]); });
  }
}

ClientTeam::~ClientTeam() { Finish(); }

SliceResult ClientTeam::Start() {
  return Give(Command::kStart, [] {});
}

SliceResult ClientTeam::Run(const std::vector<SliceLimit>& limits,
                            const std::function<void()>& watch) {
  CHECK_EQ(limits.size(), members_.size());
  for (size_t i = 0; i < members_.size(); ++i) members_[i].limit = limits[i];
  return Give(Command::kRun, watch);
}

SliceResult ClientTeam::Finish() {
  if (finished_) return SliceResult();
  finished_ = true;
  SliceResult all = Give(Command::kFinish, [] {});
  for (Member& member : members_) member.thread.join();
  return all;
}

uint64_t ClientTeam::records_so_far() const {
  uint64_t sum = 0;
  for (const Member& member : members_) {
    sum += member.client->progress().records.load(std::memory_order_relaxed);
  }
  return sum;
}

uint64_t ClientTeam::payload_bytes_so_far() const {
  uint64_t sum = 0;
  for (const Member& member : members_) {
    sum += member.client->progress().payload_bytes.load(std::memory_order_relaxed);
  }
  return sum;
}

SliceResult ClientTeam::Give(Command command, const std::function<void()>& watch) {
  constexpr std::chrono::milliseconds kWatchInterval(100);
  std::unique_lock lock(mutex_);
  command_ = command;
  ++given_count_;
  busy_ = members_.size();
  given_.notify_all();
  while (!done_.wait_for(lock, kWatchInterval, [this] { return busy_ == 0; })) {
    lock.unlock();
    watch();
    lock.lock();
  }
  SliceResult all;
  for (const Member& member : members_) all.Merge(member.result);
  return all;
}

void ClientTeam::ThreadMain(Member& member) {
  uint64_t obeyed = 0;
  for (Command command = Command::kNone; command != Command::kFinish;) {
    {
      std::unique_lock lock(mutex_);
      given_.wait(lock, [&] { return given_count_ > obeyed; });
      obeyed = given_count_;
      command = command_;
    }
    Obey(command, member);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void ClientTeam::Obey(Command command, Member& member) {
  member.result = SliceResult();
  switch (command) {
    case Command::kStart:
      member.client->Start(&member.result);
      break;
    case Command::kRun:
      member.client->Run(member.limit, &member.result);
      break;
    case Command::kFinish:
      member.client->Finish(&member.result);
      break;
    case Command::kNone:
      break;
  }
}

}  // namespace corewal
