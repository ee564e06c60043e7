#include "tools/command_line.h"

#include <algorithm>
#include <cstddef>

#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

struct Argument {
  absl::string_view name;
  absl::string_view value;
  bool has_value = false;
};

// False: not a flag ("-" alone is a file name).
bool SplitFlag(absl::string_view text, Argument* argument) {
  if (!absl::ConsumePrefix(&text, "-") || text.empty()) return false;
  absl::ConsumePrefix(&text, "-");
  const size_t equals = text.find('=');
  argument->has_value = equals != absl::string_view::npos;
  argument->name = text.substr(0, equals);
  argument->value = argument->has_value ? text.substr(equals + 1) : absl::string_view();
  return true;
}

bool IsKnown(absl::Span<const absl::string_view> known, absl::string_view name) {
  return std::find(known.begin(), known.end(), name) != known.end();
}

absl::Status Unknown(absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, ": there is no such flag; --help lists them"));
}

}  // namespace

absl::Status SetFlag(absl::string_view name, absl::string_view value) {
  absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
  if (flag == nullptr) return Unknown(name);
  if (flag->IsOfType<bool>() && value == "on") value = "true";
  if (flag->IsOfType<bool>() && value == "off") value = "false";
  std::string error;
  if (flag->ParseFrom(value, &error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", name, "=\"", value, "\": expected ", flag->Help()));
}

absl::StatusOr<std::vector<std::string>> ParseCommandLine(
    absl::Span<char* const> arguments, absl::Span<const absl::string_view> known) {
  std::vector<std::string> rest;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const absl::string_view text = arguments[i];
    if (text == "--") {
      rest.insert(rest.end(), arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    Argument argument;
    if (!SplitFlag(text, &argument)) {
      rest.emplace_back(text);
      continue;
    }
    bool negated = false;
    absl::string_view name = argument.name;
    if (!IsKnown(known, name)) {
      negated = absl::ConsumePrefix(&name, "no") && IsKnown(known, name);
      if (!negated) return Unknown(argument.name);
    }
    absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
    if (flag == nullptr) return Unknown(name);
    const bool is_bool = flag->IsOfType<bool>();
    if (negated && (!is_bool || argument.has_value)) return Unknown(argument.name);
    std::string value(argument.value);
    if (is_bool && !argument.has_value) {
      value = negated ? "false" : "true";
    } else if (!argument.has_value) {
      if (i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat("--", name, " wants a value"));
      }
      value = arguments[++i];
    }
    RETURN_IF_ERROR(SetFlag(name, value));
  }
  return rest;
}

bool HasFlag(absl::Span<char* const> arguments, absl::string_view name) {
  for (size_t i = 1; i < arguments.size() && absl::string_view(arguments[i]) != "--"; ++i) {
    Argument argument;
    if (SplitFlag(arguments[i], &argument) && argument.name == name) return true;
  }
  return false;
}

}  // namespace corewal
