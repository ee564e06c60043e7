// tools/payload_text.h: arbitrary bytes as text that is safe on a terminal and can be read back.
//
// Printable UTF-8 stays as it is. Everything else is escaped: control bytes, what is not UTF-8, and
// characters that do not print or that reorder others (bidirectional marks).
#ifndef COREWAL_TOOLS_PAYLOAD_TEXT_H_
#define COREWAL_TOOLS_PAYLOAD_TEXT_H_

#include <cstddef>

#include "absl/types/span.h"
#include "tools/output.h"

namespace corewal {

// `"` as \", `\` as \\, every byte of what must not be shown as \xNN. Adds no quotes around it.
void AppendEscaped(absl::Span<const std::byte> payload, Output* out);

// Well-formed UTF-8 of Unicode's table 3-7: no overlong forms, no surrogates.
bool IsUtf8(absl::Span<const std::byte> payload);

// A JSON string (RFC 8259) with its quotes; what must not be shown as \uNNNN.
// Requires: IsUtf8(payload).
void AppendJsonString(absl::Span<const std::byte> payload, Output* out);

// RFC 4648 section 4, with padding.
void AppendBase64(absl::Span<const std::byte> payload, Output* out);

}  // namespace corewal

#endif  // COREWAL_TOOLS_PAYLOAD_TEXT_H_
