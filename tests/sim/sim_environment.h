// tests/sim/sim_environment.h: an engine's surroundings, simulated.
#ifndef COREWAL_TESTS_SIM_SIM_ENVIRONMENT_H_
#define COREWAL_TESTS_SIM_SIM_ENVIRONMENT_H_

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/environment.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "io_backend/sim_storage_io.h"

namespace corewal {

// For one process on `disk`; both must outlive the engine. Buffers are at most 64 KiB: large ones
// take long to make.
inline EngineEnvironment SimEnvironment(SimDisk& disk, SimFileSystem& files) {
  EngineEnvironment environment;
  environment.files = &files;
  environment.clock = &disk.clock();
  environment.create_io =
      [&files](StorageIoOptions io) -> absl::StatusOr<std::unique_ptr<StorageIo>> {
    io.buffer_bytes = std::min(io.buffer_bytes, 64u << 10);
    auto made = SimStorageIo::Create(files, io);
    if (!made.ok()) return made.status();
    return std::unique_ptr<StorageIo>(*std::move(made));
  };
  return environment;
}

}  // namespace corewal

#endif  // COREWAL_TESTS_SIM_SIM_ENVIRONMENT_H_
