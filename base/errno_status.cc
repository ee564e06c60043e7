#include "base/errno_status.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace corewal {

std::string ErrnoName(int error) {
  if (const char* name = strerrorname_np(error); name != nullptr) return name;
  return absl::StrCat("errno ", error);
}

absl::Status ErrnoStatus(int error, absl::string_view call, absl::string_view path,
                         const IoPlace& place) {
  std::string message = absl::StrCat(call, " ", path);
  if (place.length.has_value()) absl::StrAppend(&message, ", ", *place.length, " bytes");
  if (place.offset.has_value()) absl::StrAppend(&message, " at offset ", *place.offset);
  const char* text = strerrordesc_np(error);
  absl::StrAppend(&message, ": ", text != nullptr ? text : "unknown error", " (", ErrnoName(error),
                  ")");
  const absl::StatusCode code =
      error == EIO ? absl::StatusCode::kInternal : absl::ErrnoToStatusCode(error);
  return absl::Status(code, message);
}

}  // namespace corewal
