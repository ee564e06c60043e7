// tools/refusal.h: why the log takes no more records, for whoever reads it.
#ifndef COREWAL_TOOLS_REFUSAL_H_
#define COREWAL_TOOLS_REFUSAL_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace corewal {

// An append was refused as ResourceExhausted, whatever keeps the next segment from being ready. The
// code of what is returned is that of the cause, `stall`: only a full disk is ResourceExhausted.
inline absl::Status WhyRefused(const absl::Status& refused, const absl::Status& stall) {
  if (stall.ok() || !absl::IsResourceExhausted(refused)) return refused;
  return absl::Status(stall.code(),
                      absl::StrCat("the log takes no more records: ", stall.message()));
}

}  // namespace corewal

#endif  // COREWAL_TOOLS_REFUSAL_H_
