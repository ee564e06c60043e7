#include "tools/json_object.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace corewal {
namespace {

std::string NumberText(double value) {
  if (!std::isfinite(value)) return "null";
  const bool whole = std::abs(value) >= 1e5;  // no exponents, no digits that mean nothing
  return whole ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.6g", value);
}

}  // namespace

JsonObject& JsonObject::Put(absl::string_view key, double value) {
  return PutRaw(key, NumberText(value));
}

JsonObject& JsonObject::Put(absl::string_view key, const std::vector<double>& values) {
  return PutRaw(key, absl::StrCat("[",
                                  absl::StrJoin(values, ", ",
                                                [](std::string* text, double value) {
                                                  absl::StrAppend(text, NumberText(value));
                                                }),
                                  "]"));
}

JsonObject& JsonObject::PutRaw(absl::string_view key, absl::string_view value) {
  members_.emplace_back(key, value);
  return *this;
}

std::string JsonObject::ToString() const {
  return absl::StrCat("{",
                      absl::StrJoin(members_, ", ",
                                    [](std::string* text, const auto& member) {
                                      absl::StrAppend(text, Quote(member.first), ": ",
                                                      member.second);
                                    }),
                      "}");
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
