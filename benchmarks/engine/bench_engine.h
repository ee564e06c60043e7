// benchmarks/engine/bench_engine.h: an engine of one shard in a scratch directory.
#ifndef COREWAL_BENCHMARKS_ENGINE_BENCH_ENGINE_H_
#define COREWAL_BENCHMARKS_ENGINE_BENCH_ENGINE_H_

#include <memory>
#include <string>

#include "engine/engine.h"

namespace corewal {

class BenchEngine {
 public:
  // Makes `directory`/engine_benchmark and opens an engine there; both are gone with this object.
  // Ends the program with the cause if that fails.
  explicit BenchEngine(const std::string& directory, const ShardOptions& shard = {});
  ~BenchEngine();
  BenchEngine(const BenchEngine&) = delete;
  BenchEngine& operator=(const BenchEngine&) = delete;

  Engine& engine() { return *engine_; }
  // A line: backend, file system, O_DIRECT or not, sync method. After a first append.
  void PrintWhere() const;

 private:
  const std::string directory_;
  std::unique_ptr<Engine> engine_;
};

// Ends the program with `status`, unless it is OK.
void DieUnless(const absl::Status& status);

}  // namespace corewal

#endif  // COREWAL_BENCHMARKS_ENGINE_BENCH_ENGINE_H_
