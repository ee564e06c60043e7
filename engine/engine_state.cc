#include "engine/engine_state.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/status_macros.h"

namespace corewal {
namespace {

constexpr uint64_t kStateBytesMax = 64ull << 20;
constexpr uint64_t kShardsMax = 1024;
constexpr char kFirstLine[] = "corewal state\n";

uint32_t TextCrc(absl::string_view text) {
  return Crc32c(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

// The numbers behind a line's key; empty if one is none.
std::vector<uint64_t> Numbers(const std::vector<absl::string_view>& words) {
  std::vector<uint64_t> numbers;
  for (size_t i = 1; i < words.size(); ++i) {
    uint64_t number;
    if (!absl::SimpleAtoi(words[i], &number)) return {};
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

std::string EngineState::Encode() const {
  std::string text = kFirstLine;
  if (epochs.has_value()) {
    absl::StrAppend(&text, "epochs ", epochs->complete.value(), " ", epochs->void_up_to.value(),
                    " ", epochs->shards, "\n");
  }
  if (atomic) absl::StrAppend(&text, "atomic 1\n");
  for (const auto& [shard, lsn] : floors) {
    absl::StrAppend(&text, "floor ", shard, " ", lsn.value(), "\n");
  }
  for (const auto& [shard, lsn] : hidden) {
    absl::StrAppend(&text, "hidden ", shard, " ", lsn.value(), "\n");
  }
  for (const auto& [shard, lsn] : checkpoints) {
    absl::StrAppend(&text, "checkpoint ", shard, " ", lsn.value(), "\n");
  }
  absl::StrAppend(&text, absl::StrFormat("crc %08x\n", TextCrc(text)));
  return text;
}

absl::StatusOr<EngineState> EngineState::Decode(absl::string_view text) {
  if (!absl::StartsWith(text, kFirstLine)) {
    return absl::DataLossError("does not begin with \"corewal state\"");
  }
  EngineState state;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] == "crc") {
      const auto covered = static_cast<size_t>(line.data() - text.data());
      if (words.size() == 2 &&
          words[1] == absl::StrFormat("%08x", TextCrc(text.substr(0, covered)))) {
        return state;
      }
      break;
    }
    const std::vector<uint64_t> numbers = Numbers(words);
    if (words[0] == "epochs" && numbers.size() == 3) {
      // As no engine writes them. The last number there is would leave no epoch to open.
      if (numbers[0] == UINT64_MAX || numbers[1] == UINT64_MAX || numbers[2] < 1 ||
          numbers[2] > kShardsMax) {
        return absl::DataLossError(absl::StrCat("\"", line, "\": out of range"));
      }
      state.epochs = {Epoch(numbers[0]), Epoch(numbers[1]), static_cast<uint32_t>(numbers[2])};
    } else if (words[0] == "atomic") {
      state.atomic = true;
    } else if (numbers.size() == 2 && numbers[0] < kShardsMax) {
      const auto shard = static_cast<uint32_t>(numbers[0]);
      if (words[0] == "floor") state.floors[shard] = Lsn(numbers[1]);
      if (words[0] == "hidden") state.hidden.insert({shard, Lsn(numbers[1])});
      if (words[0] == "checkpoint") state.checkpoints[shard] = Lsn(numbers[1]);
    }
  }
  return absl::DataLossError("its crc line is missing or wrong");
}

absl::StatusOr<EngineState> ReadEngineState(FileSystem& files, const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/", kEngineStateFileName);
  const absl::StatusOr<std::string> text = files.ReadSmallFile(path, kStateBytesMax);
  if (absl::IsNotFound(text.status())) return EngineState{};
  RETURN_IF_ERROR(text.status());
  absl::StatusOr<EngineState> state = EngineState::Decode(*text);
  if (state.ok()) return state;
  return absl::Status(state.status().code(), absl::StrCat(path, ": ", state.status().message()));
}

absl::Status WriteEngineState(FileSystem& files, const std::string& directory,
                              const EngineState& state) {
  return files.WriteSmallFile(absl::StrCat(directory, "/", kEngineStateFileName), state.Encode());
}

}  // namespace corewal
