#include "benchmarks/engine/bench_engine.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace corewal {

void DieUnless(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

BenchEngine::BenchEngine(const std::string& directory, const ShardOptions& shard)
    : directory_(absl::StrCat(directory, "/engine_benchmark")) {
  absl::StatusOr<std::unique_ptr<Engine>> opened =
      Engine::Open({.directory = directory_, .shard = shard});
  DieUnless(opened.status());
  engine_ = *std::move(opened);
}

void BenchEngine::PrintWhere() const {
  const ShardInfo info = engine_->info(ShardId{0});
  std::printf("%s on %s, %s, sync method %s\n", info.io.backend.c_str(), info.file_system.c_str(),
              info.direct ? "O_DIRECT" : "buffered",
              std::string(SyncMethodName(info.sync_method)).c_str());
}

BenchEngine::~BenchEngine() {
  engine_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace corewal
