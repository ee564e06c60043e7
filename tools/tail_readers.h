// tools/tail_readers.h: the readers of the mixed workload: one thread a shard follows the log while
// it is appended to, compares each record with what it must be, and truncates what it has read.
//
//   client -> log -> durable -> reader -> TruncateBefore(read) -> segments are recycled
//
// Requires: made-up records from seq 1 on, and shards that the engine's threads run.
// Thread: one at a time.
#ifndef COREWAL_TOOLS_TAIL_READERS_H_
#define COREWAL_TOOLS_TAIL_READERS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "engine/engine.h"
#include "tools/bench_options.h"

namespace corewal {

class TailReaders {
 public:
  struct Result {
    uint64_t records = 0;
    uint64_t payload_bytes = 0;
    uint64_t truncations = 0;
    uint64_t lag_bytes_max = 0;  // of the log: durable, and not read yet
    uint64_t errors = 0;
    std::string first_error;
    absl::Status status;

    void Merge(const Result& other);
  };

  // Starts the threads. `engine` and `options` must outlive this.
  TailReaders(Engine* engine, const BenchOptions& options);
  ~TailReaders();  // Finish first for its answer
  TailReaders(const TailReaders&) = delete;
  TailReaders& operator=(const TailReaders&) = delete;

  uint64_t records_so_far() const;
  // Waits until `records` have been read, or until reading stands still.
  void WaitFor(uint64_t records) const;
  // The same, and ends the threads.
  Result Finish(uint64_t records);

 private:
  struct Reader {
    ShardId shard{};
    std::atomic<uint64_t> records{0};
    std::atomic<bool> ended{false};
    Result result;  // the thread's until it has been joined
    std::thread thread;
  };

  void ThreadMain(Reader* reader);
  absl::Status Follow(Reader* reader);
  void Stop();

  Engine& engine_;
  const BenchOptions& options_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_TAIL_READERS_H_
