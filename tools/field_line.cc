#include "tools/field_line.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "tools/payload_text.h"

namespace corewal {
namespace {

absl::Span<const std::byte> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace

FieldLine::FieldLine(Form form, absl::string_view noun, Output* out) : form_(form), out_(*out) {
  if (form_ == Form::kJson) {
    out_.Append("{\"").Append(noun).Append("\":{");
  } else {
    out_.Append(noun);
  }
}

FieldLine::~FieldLine() { out_.Append(form_ == Form::kJson ? "}}\n" : "\n"); }

FieldLine& FieldLine::Add(absl::string_view name, uint64_t value) {
  Name(name);
  out_.Number(value);
  return *this;
}

FieldLine& FieldLine::Add(absl::string_view name, absl::string_view text) {
  Name(name);
  if (form_ == Form::kText) {
    AppendEscaped(AsBytes(text), &out_);
  } else if (IsUtf8(AsBytes(text))) {
    AppendJsonString(AsBytes(text), &out_);
  } else {
    AppendJsonString(AsBytes(absl::CHexEscape(text)), &out_);
  }
  return *this;
}

FieldLine& FieldLine::AddHex32(absl::string_view name, uint32_t value) {
  return Add(name, absl::StrCat(absl::Hex(value, absl::kZeroPad8)));
}

void FieldLine::Name(absl::string_view name) {
  if (form_ == Form::kJson) {
    out_.Append(first_ ? "\"" : ",\"").Append(name).Append("\":");
  } else {
    out_.Append(" ").Append(name).Append("=");
  }
  first_ = false;
}

}  // namespace corewal
