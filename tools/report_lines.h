// tools/report_lines.h: "  label     text" lines of at most 100 columns, broken at spaces.
#ifndef COREWAL_TOOLS_REPORT_LINES_H_
#define COREWAL_TOOLS_REPORT_LINES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace corewal {

void AddReportLine(std::string* report, absl::string_view label, absl::string_view text);

}  // namespace corewal

#endif  // COREWAL_TOOLS_REPORT_LINES_H_
