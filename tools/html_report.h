// tools/html_report.h: the page of wal-bench --html: one file, no script, nothing from elsewhere.
//
//   title, machine, warnings
//   all runs: table, ratio to the floor, latency curves          (if there are several)
//   each run: figures, throughput over time, latency curve, settings, every key of its JSON
//
// The runs' JSON objects are in the page, as <script type="application/json" id="runs">; each
// number that stands for one of their keys is a <data value=... data-key=... data-run=...>.
#ifndef COREWAL_TOOLS_HTML_REPORT_H_
#define COREWAL_TOOLS_HTML_REPORT_H_

#include <string>
#include <utility>
#include <vector>

#include "tools/bench_result.h"
#include "tools/json_object.h"

namespace corewal {

struct ReportedRun {
  std::string name;   // among the others: "io=uring"
  std::string title;  // a heading
  JsonObject json;
  BenchResult result;
  std::vector<std::pair<std::string, std::string>> settings;  // for people
  std::vector<std::string> warnings;
};

struct HtmlReport {
  std::string title;
  std::string subtitle;  // may be empty
  std::string time;      // when it was made
  std::vector<std::pair<std::string, std::string>> machine;
  std::vector<std::string> notes;  // of the whole
  std::vector<ReportedRun> runs;

  std::string ToHtml() const;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_HTML_REPORT_H_
