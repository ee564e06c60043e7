// tools/bench_output.h: where wal-bench's results go: the table for people, JSON for programs, the
// page for both.
//
// The table goes to standard output, unless --json=- or --acks=- has it; then to standard error.
#ifndef COREWAL_TOOLS_BENCH_OUTPUT_H_
#define COREWAL_TOOLS_BENCH_OUTPUT_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench_options.h"
#include "tools/bench_result.h"
#include "tools/html_report.h"
#include "tools/json_object.h"

namespace corewal {

class BenchOutput {
 public:
  // Opens the files at once, so that a bad name is found before a long run.
  static absl::StatusOr<std::unique_ptr<BenchOutput>> Open(const BenchOptions& options);
  ~BenchOutput();

  // Table, warnings, JSON line and page section of a run.
  absl::Status Report(const BenchOptions& options, const BenchResult& result);
  // JSON line and page section alone. `name` tells the run from others on the page.
  absl::Status Add(const BenchOptions& options, const BenchResult& result, absl::string_view name,
                   const JsonObject& json);
  void Print(absl::string_view text);    // for people
  void Note(absl::string_view warning);  // for people, and at the top of the page
  // Of the page; without, that of its first run.
  void SetTitle(absl::string_view title, absl::string_view subtitle = "") {
    page_.title = std::string(title);
    page_.subtitle = std::string(subtitle);
  }
  void AddMachineFact(absl::string_view label, absl::string_view text) {
    page_.machine.emplace_back(label, text);
  }

  // Writes the page. Once, at the end.
  absl::Status Finish();

 private:
  BenchOutput(std::FILE* people, std::FILE* json, const BenchOptions& options)
      : people_(people), json_(json), json_path_(options.json), html_path_(options.html) {}

  std::FILE* const people_;
  std::FILE* const json_;  // null: none
  const std::string json_path_;
  const std::string html_path_;
  std::FILE* html_ = nullptr;  // null: none
  HtmlReport page_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_OUTPUT_H_
