#include "tests/engine/prometheus_text.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

using Families = std::map<std::string, PrometheusFamily>;
using Sample = PrometheusFamily::Sample;

absl::Status Wrong(absl::string_view line, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'", line, "': ", why));
}

// Takes a name off `rest`: letters, digits, underscores, and colons but in labels' names.
std::string TakeName(absl::string_view* rest, bool colons) {
  size_t length = 0;
  while (length < rest->size()) {
    const auto c = static_cast<unsigned char>((*rest)[length]);
    const bool letter = absl::ascii_isalpha(c) || c == '_' || (colons && c == ':');
    if (!letter && (length == 0 || !absl::ascii_isdigit(c))) break;
    ++length;
  }
  const std::string name(rest->substr(0, length));
  rest->remove_prefix(length);
  return name;
}

// Takes a quoted value off `rest`.
bool TakeValue(absl::string_view* rest, std::string* value) {
  if (!absl::ConsumePrefix(rest, "\"")) return false;
  while (!rest->empty() && rest->front() != '"') {
    if (absl::ConsumePrefix(rest, "\\")) {
      if (rest->empty() || !absl::StrContains("\\\"n", rest->substr(0, 1))) return false;
      value->push_back(rest->front() == 'n' ? '\n' : rest->front());
    } else {
      value->push_back(rest->front());
    }
    rest->remove_prefix(1);
  }
  return absl::ConsumePrefix(rest, "\"");
}

absl::StatusOr<double> ParseNumber(absl::string_view text) {
  double number = 0;
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  const bool spaced = absl::StripAsciiWhitespace(text) != text;
  if (!spaced && absl::SimpleAtod(text, &number)) return number;
  return absl::InvalidArgumentError("not a number");
}

absl::StatusOr<Sample> ParseSample(absl::string_view line) {
  Sample sample;
  absl::string_view rest = line;
  sample.name = TakeName(&rest, true);
  if (sample.name.empty()) return Wrong(line, "no name");
  if (absl::ConsumePrefix(&rest, "{")) {
    do {
      const std::string label = TakeName(&rest, false);
      std::string value;
      if (label.empty() || absl::StartsWith(label, "__")) return Wrong(line, "a label's name");
      if (!absl::ConsumePrefix(&rest, "=") || !TakeValue(&rest, &value)) {
        return Wrong(line, "a label's value");
      }
      if (!sample.labels.emplace(label, value).second) return Wrong(line, "a label twice");
    } while (absl::ConsumePrefix(&rest, ","));
    if (!absl::ConsumePrefix(&rest, "}")) return Wrong(line, "the labels' end");
  }
  if (!absl::ConsumePrefix(&rest, " ")) return Wrong(line, "one space before the number");
  const absl::StatusOr<double> number = ParseNumber(rest);
  if (!number.ok()) return Wrong(line, number.status().message());
  sample.value = *number;
  return sample;
}

// The buckets, sum and count of each series stand together.
absl::Status CheckHistogram(const std::string& name, const PrometheusFamily& family) {
  for (size_t i = 0; i < family.samples.size();) {
    double bound = -1, below = 0;
    PrometheusLabels labels = family.samples[i].labels;
    labels.erase("le");
    for (; i < family.samples.size() && family.samples[i].name == name + "_bucket"; ++i) {
      PrometheusLabels of_bucket = family.samples[i].labels;
      const absl::StatusOr<double> le = ParseNumber(of_bucket["le"]);
      of_bucket.erase("le");
      if (!le.ok() || *le <= bound) return Wrong(name, "`le` must ascend");
      if (of_bucket != labels) return Wrong(name, "the buckets of a series stand together");
      if (family.samples[i].value < below) return Wrong(name, "buckets must accumulate");
      bound = *le;
      below = family.samples[i].value;
    }
    if (bound != std::numeric_limits<double>::infinity()) return Wrong(name, "no bucket +Inf");
    if (i + 2 > family.samples.size()) return Wrong(name, "no sum or count");
    const Sample &sum = family.samples[i], &count = family.samples[i + 1];
    if (sum.name != name + "_sum" || count.name != name + "_count" || sum.labels != labels ||
        count.labels != labels) {
      return Wrong(name, "sum and count come behind the buckets, of the same labels");
    }
    if (count.value != below) return Wrong(name, "the bucket +Inf must be the count");
    if (sum.value < 0 || (count.value == 0 && sum.value != 0)) return Wrong(name, "the sum");
    i += 2;
  }
  return absl::OkStatus();
}

absl::Status CheckFamily(const std::string& name, const PrometheusFamily& family) {
  if (family.type == "histogram") return CheckHistogram(name, family);
  if ((family.type == "counter") != absl::EndsWith(name, "_total")) {
    return Wrong(name, "counters, and only they, end in _total");
  }
  for (const Sample& sample : family.samples) {
    if (sample.name != name) return Wrong(sample.name, absl::StrCat("among those of ", name));
    if (family.type == "counter" && sample.value < 0) return Wrong(name, "a negative counter");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Families> ParsePrometheusText(absl::string_view text) {
  if (!absl::EndsWith(text, "\n")) return absl::InvalidArgumentError("no newline at the end");
  text.remove_suffix(1);
  Families families;
  std::set<std::pair<std::string, PrometheusLabels>> series;
  std::string helped, open;  // whose HELP came last, whose TYPE
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, "# HELP ")) {
      helped = TakeName(&rest, true);
      if (helped.empty() || !absl::ConsumePrefix(&rest, " ") || rest.empty()) {
        return Wrong(line, "want HELP, a name, a text");
      }
      if (!families.emplace(helped, PrometheusFamily{.help = std::string(rest)}).second) {
        return Wrong(line, "this family came before");
      }
    } else if (absl::ConsumePrefix(&rest, "# TYPE ")) {
      open = TakeName(&rest, true);
      if (open != helped || !families[open].type.empty()) {
        return Wrong(line, "the TYPE comes once, behind its HELP");
      }
      if (rest != " counter" && rest != " gauge" && rest != " histogram") {
        return Wrong(line, "a type");
      }
      families[open].type = std::string(rest.substr(1));
    } else {
      ASSIGN_OR_RETURN(Sample sample, ParseSample(line));
      if (open.empty() || open != helped) return Wrong(line, "no TYPE before it");
      if (!series.insert({sample.name, sample.labels}).second) return Wrong(line, "twice");
      families[open].samples.push_back(std::move(sample));
    }
  }
  for (const auto& [name, family] : families) {
    if (family.type.empty()) return Wrong(name, "no TYPE");
    RETURN_IF_ERROR(CheckFamily(name, family));
  }
  return families;
}

}  // namespace corewal
