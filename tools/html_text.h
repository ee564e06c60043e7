// tools/html_text.h: text as HTML, where nothing in it is markup.
#ifndef COREWAL_TOOLS_HTML_TEXT_H_
#define COREWAL_TOOLS_HTML_TEXT_H_

#include <string>

#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace corewal {

// For text and for attribute values in double quotes.
inline std::string HtmlText(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// For JSON inside a script element: no "</script>" can appear in it.
inline std::string JsonInHtml(absl::string_view json) {
  return absl::StrReplaceAll(json, {{"<", "\\u003c"}});
}

}  // namespace corewal

#endif  // COREWAL_TOOLS_HTML_TEXT_H_
