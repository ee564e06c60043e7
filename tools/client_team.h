// tools/client_team.h: the client threads of a run, which start and end each slice together.
//
// Each client keeps its thread from Start to Finish, so that it may own a shard. Between slices all
// threads sleep.
// Thread: Start, Run and Finish from the one that made the team.
#ifndef COREWAL_TOOLS_CLIENT_TEAM_H_
#define COREWAL_TOOLS_CLIENT_TEAM_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tools/bench_client.h"

namespace corewal {

class ClientTeam {
 public:
  explicit ClientTeam(std::vector<std::unique_ptr<BenchClient>> clients);
  ~ClientTeam();  // ends the threads; Finish first for its answer

  SliceResult Start();
  // `limits`: one for each client. `watch` is called now and then meanwhile.
  SliceResult Run(const std::vector<SliceLimit>& limits, const std::function<void()>& watch);
  SliceResult Finish();

  uint64_t records_so_far() const;
  uint64_t payload_bytes_so_far() const;

 private:
  enum class Command : uint8_t { kNone, kStart, kRun, kFinish };
  struct Member {
    std::unique_ptr<BenchClient> client;
    SliceLimit limit;
    SliceResult result;
    std::thread thread;
  };

  SliceResult Give(Command command, const std::function<void()>& watch);
  void ThreadMain(Member& member);
  static void Obey(Command command, Member& member);

  std::vector<Member> members_;
  std::mutex mutex_;
  std::condition_variable given_, done_;
  Command command_ = Command::kNone;
  uint64_t given_count_ = 0;
  size_t busy_ = 0;
  bool finished_ = false;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_CLIENT_TEAM_H_
