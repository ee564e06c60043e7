// tools/bench_output.h: where wal-bench's results go: the table for people, JSON for programs.
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

namespace corewal {

class BenchOutput {
 public:
  // Opens the JSON file at once, so that a bad name is found before a long run.
  static absl::StatusOr<std::unique_ptr<BenchOutput>> Open(const BenchOptions& options);
  ~BenchOutput();

  // Table, warnings and the JSON line of a run.
  absl::Status Report(const BenchOptions& options, const BenchResult& result);
  void Print(absl::string_view text);               // for people
  absl::Status PutJson(const std::string& object);  // one line

 private:
  BenchOutput(std::FILE* people, std::FILE* json, std::string json_path)
      : people_(people), json_(json), json_path_(std::move(json_path)) {}

  std::FILE* const people_;
  std::FILE* const json_;  // null: none
  const std::string json_path_;
};

}  // namespace corewal

#endif  // COREWAL_TOOLS_BENCH_OUTPUT_H_
