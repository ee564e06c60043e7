// base/status_macros.h: hand an error up to the caller in one line.
//
// Stand-ins under the names that abseil's users know; Debian 12's abseil has none.
//
//   RETURN_IF_ERROR(file_system.SyncDirectory(path));
//   ASSIGN_OR_RETURN(OpenFile file, file_system.Open(path, options));
#ifndef COREWAL_BASE_STATUS_MACROS_H_
#define COREWAL_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expression)                                                              \
  do {                                                                                           \
    if (absl::Status corewal_status = (expression); !corewal_status.ok()) return corewal_status; \
  } while (false)

#define COREWAL_CONCAT_IMPL(a, b) a##b
#define COREWAL_CONCAT(a, b) COREWAL_CONCAT_IMPL(a, b)
#define COREWAL_ASSIGN_OR_RETURN_IMPL(result, lhs, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).status();         \
  lhs = *std::move(result)

#define ASSIGN_OR_RETURN(lhs, expression) \
  COREWAL_ASSIGN_OR_RETURN_IMPL(COREWAL_CONCAT(corewal_result_, __LINE__), lhs, expression)

#endif  // COREWAL_BASE_STATUS_MACROS_H_
