#include "tools/bench_output.h"

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/errno_status.h"
#include "base/version.h"
#include "tools/machine_facts.h"

namespace corewal {

absl::StatusOr<std::unique_ptr<BenchOutput>> BenchOutput::Open(const BenchOptions& options) {
  std::FILE* json = nullptr;
  if (options.json == "-") {
    json = stdout;
  } else if (!options.json.empty()) {
    json = std::fopen(options.json.c_str(), "we");
    if (json == nullptr) return ErrnoStatus(errno, "open", options.json);
  }
  const bool taken = options.json == "-" || options.acks == "-";
  auto output = absl::WrapUnique(new BenchOutput(taken ? stderr : stdout, json, options));
  if (options.html.empty()) return output;
  std::FILE* const html = std::fopen(options.html.c_str(), "we");
  if (html == nullptr) return ErrnoStatus(errno, "open", options.html);
  output->html_ = html;
  output->page_.machine = MachineFacts(options.directory);
  return output;
}

BenchOutput::~BenchOutput() {
  if (json_ != nullptr && json_ != stdout) std::fclose(json_);
  if (html_ != nullptr) std::fclose(html_);
}

absl::Status BenchOutput::Report(const BenchOptions& options, const BenchResult& result) {
  Print(result.ToTable(options));
  for (const std::string& warning : result.Warnings(options)) Print("\nnote: " + warning + "\n");
  return Add(options, result, WorkloadName(result.workload), result.ToJson(options));
}

absl::Status BenchOutput::Add(const BenchOptions& options, const BenchResult& result,
                              absl::string_view name, const JsonObject& json) {
  if (html_ != nullptr) {
    page_.runs.push_back({std::string(name), result.Title(options), json, result,
                          result.Settings(options), result.Warnings(options)});
  }
  if (json_ == nullptr) return absl::OkStatus();
  if (std::fprintf(json_, "%s\n", json.ToString().c_str()) < 0 || std::fflush(json_) != 0) {
    return ErrnoStatus(errno, "write", json_path_ == "-" ? "standard output" : json_path_);
  }
  return absl::OkStatus();
}

void BenchOutput::Print(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), people_);
  std::fflush(people_);
}

void BenchOutput::Note(absl::string_view warning) {
  Print(absl::StrCat("\nnote: ", warning, "\n"));
  page_.notes.emplace_back(warning);
}

absl::Status BenchOutput::Finish() {
  if (html_ == nullptr) return absl::OkStatus();
  if (page_.title.empty()) {
    page_.title = page_.runs.empty() ? "corewal" : page_.runs.front().title;
  }
  page_.time = absl::StrCat(
      kVersion, ", ", absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone()));
  const std::string html = page_.ToHtml();
  if (std::fwrite(html.data(), 1, html.size(), html_) != html.size() || std::fflush(html_) != 0) {
    return ErrnoStatus(errno, "write", html_path_);
  }
  return absl::OkStatus();
}

}  // namespace corewal
