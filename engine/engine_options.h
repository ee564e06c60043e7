// engine/engine_options.h: whether an engine can be opened with these options.
#ifndef COREWAL_ENGINE_ENGINE_OPTIONS_H_
#define COREWAL_ENGINE_ENGINE_OPTIONS_H_

#include "absl/status/status.h"
#include "engine/engine.h"

namespace corewal {

// Before anything is touched: what each shard would find out for itself when it is half open.
// InvalidArgument: an option out of range, with its name and what it may be.
absl::Status CheckEngineOptions(const EngineOptions& options);

}  // namespace corewal

#endif  // COREWAL_ENGINE_ENGINE_OPTIONS_H_
