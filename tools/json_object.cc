#include "tools/json_object.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace corewal {

JsonObject& JsonObject::Put(absl::string_view key, double value) {
  if (!std::isfinite(value)) return PutRaw(key, "null");
  const bool whole = std::abs(value) >= 1e5;  // no exponents, no digits that mean nothing
  return PutRaw(key, whole ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.6g", value));
}

JsonObject& JsonObject::PutRaw(absl::string_view key, absl::string_view value) {
  absl::StrAppend(&members_, members_.empty() ? "" : ", ", Quote(key), ": ", value);
  return *this;
}

std::string JsonObject::Quote(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c >= ' ' && c <= '~') {
      quoted += c;
    } else {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(c));
    }
  }
  quoted += '"';
  return quoted;
}

}  // namespace corewal
