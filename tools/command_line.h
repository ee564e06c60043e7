// tools/command_line.h: reads the command line into absl flags, with errors of one line.
//
// absl::ParseCommandLine prints what it thinks of a mistake over several lines and exits; our tools
// say in one line what is wrong and what to do. Understood: --flag=value, --flag value (not for
// bool), --flag, --noflag and --flag=on|off (bool), and "--", after which nothing is a flag. One
// dash does as well.
#ifndef COREWAL_TOOLS_COMMAND_LINE_H_
#define COREWAL_TOOLS_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corewal {

// Sets the flags named in `known` and returns all that is not a flag.
// InvalidArgument: an unknown flag, or a value that its flag refuses.
absl::StatusOr<std::vector<std::string>> ParseCommandLine(
    absl::Span<char* const> arguments, absl::Span<const absl::string_view> known);

// Sets one flag as "--name=value" does.
absl::Status SetFlag(absl::string_view name, absl::string_view value);

// Whether `name` ("help") is among the arguments as a flag, before any "--".
bool HasFlag(absl::Span<char* const> arguments, absl::string_view name);

}  // namespace corewal

#endif  // COREWAL_TOOLS_COMMAND_LINE_H_
