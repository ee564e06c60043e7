// tests/engine/prometheus_text.h: the text exposition format of Prometheus, version 0.0.4, read
// strictly: what a scraper might forgive is an error here.
//
//   # HELP name text
//   # TYPE name counter|gauge|histogram
//   name{label="value",...} number
//
// Each family's HELP, TYPE and samples stand together, in that order, once. No series twice.
// Counters end in _total; histograms have buckets that ascend in `le`, accumulate, and end with
// +Inf, which is _count; and a _sum.
#ifndef COREWAL_TESTS_ENGINE_PROMETHEUS_TEXT_H_
#define COREWAL_TESTS_ENGINE_PROMETHEUS_TEXT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corewal {

using PrometheusLabels = std::map<std::string, std::string>;

struct PrometheusFamily {
  struct Sample {
    std::string name;  // the family's, or with _bucket, _sum, _count behind it
    PrometheusLabels labels;
    double value = 0;
  };
  std::string type, help;
  std::vector<Sample> samples;
};

// By name. InvalidArgument: the line, and what is wrong with it.
absl::StatusOr<std::map<std::string, PrometheusFamily>> ParsePrometheusText(absl::string_view text);

}  // namespace corewal

#endif  // COREWAL_TESTS_ENGINE_PROMETHEUS_TEXT_H_
