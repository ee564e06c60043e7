// tools/field_line.h: named values as one line, for people or as a JSON object.
//
//   text  segment file=D/0000000000000001.wal sequence=1
//   json  {"segment":{"file":"D/0000000000000001.wal","sequence":1}}
//
// The line ends when the object goes.
#ifndef COREWAL_TOOLS_FIELD_LINE_H_
#define COREWAL_TOOLS_FIELD_LINE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "tools/output.h"

namespace corewal {

class FieldLine {
 public:
  enum class Form : uint8_t { kText, kJson };

  // `out` must outlive the line. `noun` and the names are plain words.
  FieldLine(Form form, absl::string_view noun, Output* out);
  ~FieldLine();
  FieldLine(const FieldLine&) = delete;
  FieldLine& operator=(const FieldLine&) = delete;

  FieldLine& Add(absl::string_view name, uint64_t value);
  // Any bytes; escaped as the form wants. JSON cannot hold what is not UTF-8: that is escaped
  // twice.
  FieldLine& Add(absl::string_view name, absl::string_view text);
  FieldLine& AddHex32(absl::string_view name, uint32_t value);

 private:
  void Name(absl::string_view name);

  const Form form_;
  Output& out_;
  bool first_ = true;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_FIELD_LINE_H_
