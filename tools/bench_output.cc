#include "tools/bench_output.h"

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "base/errno_status.h"

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
  return absl::WrapUnique(new BenchOutput(taken ? stderr : stdout, json, options.json));
}

BenchOutput::~BenchOutput() {
  if (json_ != nullptr && json_ != stdout) std::fclose(json_);
}

absl::Status BenchOutput::Report(const BenchOptions& options, const BenchResult& result) {
  Print(result.ToTable(options));
  for (const std::string& warning : result.Warnings(options)) Print("\nnote: " + warning + "\n");
  return PutJson(result.ToJson(options));
}

void BenchOutput::Print(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), people_);
  std::fflush(people_);
}

absl::Status BenchOutput::PutJson(const std::string& object) {
  if (json_ == nullptr) return absl::OkStatus();
  if (std::fprintf(json_, "%s\n", object.c_str()) < 0 || std::fflush(json_) != 0) {
    return ErrnoStatus(errno, "write", json_path_ == "-" ? "standard output" : json_path_);
  }
  return absl::OkStatus();
}

}  // namespace corewal
