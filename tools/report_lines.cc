#include "tools/report_lines.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace corewal {

void AddReportLine(std::string* report, absl::string_view label, absl::string_view text) {
  constexpr size_t kLabelColumns = 18;
  constexpr size_t kTextColumns = 100 - 2 - kLabelColumns;
  do {
    size_t cut = text.size();
    if (cut > kTextColumns) {
      cut = text.rfind(' ', kTextColumns);
      // A word that is too long for a line stands alone.
      if (cut == absl::string_view::npos || cut == 0) cut = std::min(text.find(' '), text.size());
    }
    absl::StrAppend(report, "  ", label, std::string(kLabelColumns - label.size(), ' '),
                    text.substr(0, cut), "\n");
    text.remove_prefix(std::min(cut + 1, text.size()));
    label = "";
  } while (!text.empty());
}

}  // namespace corewal
