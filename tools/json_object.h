// tools/json_object.h: one flat JSON object on one line, keys in the order in which they were put.
#ifndef COREWAL_TOOLS_JSON_OBJECT_H_
#define COREWAL_TOOLS_JSON_OBJECT_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace corewal {

class JsonObject {
 public:
  JsonObject& Put(absl::string_view key, absl::string_view value) {
    return PutRaw(key, Quote(value));
  }
  JsonObject& Put(absl::string_view key, const char* value) {
    return Put(key, absl::string_view(value));
  }
  JsonObject& Put(absl::string_view key, bool value) {
    return PutRaw(key, value ? "true" : "false");
  }
  JsonObject& Put(absl::string_view key, std::integral auto value) {
    return PutRaw(key, absl::StrCat(value));
  }
  // Six significant digits; null for what is no number.
  JsonObject& Put(absl::string_view key, double value);
  // null if absent.
  template <typename T>
  JsonObject& Put(absl::string_view key, const std::optional<T>& value) {
    return value.has_value() ? Put(key, *value) : PutRaw(key, "null");
  }

  // [1, 2.5]
  JsonObject& Put(absl::string_view key, const std::vector<double>& values);

  // {"a": 1, "b": null}
  std::string ToString() const;
  // Each key, and its value as JSON.
  const std::vector<std::pair<std::string, std::string>>& members() const { return members_; }

 private:
  JsonObject& PutRaw(absl::string_view key, absl::string_view value);
  // Bytes that are not printable ASCII become \u00NN.
  static std::string Quote(absl::string_view text);

  std::vector<std::pair<std::string, std::string>> members_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_JSON_OBJECT_H_
