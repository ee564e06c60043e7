// engine/environment.h: what an engine stands on: files, storage, time.
//
// The host's everywhere but in the simulator, which brings a disk and a clock of its own and runs
// the whole engine (Threads::kHost) on one thread.
#ifndef COREWAL_ENGINE_ENVIRONMENT_H_
#define COREWAL_ENGINE_ENVIRONMENT_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "io_backend/file_system.h"
#include "io_backend/storage_io_factory.h"

namespace corewal {

struct EngineEnvironment {
  FileSystem* files = &FileSystem::Host();
  std::function<absl::StatusOr<std::unique_ptr<StorageIo>>(const StorageIoOptions&)> create_io =
      CreateStorageIo;
  const Clock* clock = nullptr;  // null: CLOCK_MONOTONIC, and shards sleep where messages arrive
};

class Engine;
struct EngineOptions;

// As Engine::Open, but in another environment than the host's.
absl::StatusOr<std::unique_ptr<Engine>> OpenEngineIn(const EngineOptions& options,
                                                     const EngineEnvironment& environment);

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENVIRONMENT_H_
