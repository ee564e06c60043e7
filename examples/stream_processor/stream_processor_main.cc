// stream_processor DIR INPUT
//
// Adds up what INPUT has, lines "KEY AMOUNT", and writes the running totals to DIR/output-0, -1,
// ..., one for each core, as lines "LSN n KEY TOTAL", n counting the lines of INPUT. Kill it
// whenever you like, and start it again: each line counts once. INPUT may grow from one start to
// the next.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "examples/common/partition.h"
#include "examples/stream_processor/partition.h"

namespace {

using Partitions = std::vector<std::unique_ptr<Partition>>;

// As many as there are cores when DIR is made. Then they belong to the data, as their hash does: a
// key's lines must stay in one log.
absl::StatusOr<uint32_t> PartitionCount(const std::string& directory) {
  corewal::FileSystem& files = corewal::FileSystem::Host();
  RETURN_IF_ERROR(files.CreateDirectories(directory));
  const std::string path = directory + "/partitions";
  const absl::StatusOr<std::string> text = files.ReadSmallFile(path, 100);
  uint32_t count = std::max(1u, std::thread::hardware_concurrency());
  if (absl::IsNotFound(text.status())) {
    RETURN_IF_ERROR(files.WriteSmallFile(path, absl::StrCat(count, "\n")));
    return count;
  }
  RETURN_IF_ERROR(text.status());
  if (absl::SimpleAtoi(*text, &count) && count > 0) return count;
  return absl::DataLossError(path + ": not a number");
}

// Hands each line to its partition's log, unless that has it from an earlier start.
absl::Status Ingest(corewal::Engine& engine, const Partitions& partitions,
                    const std::string& input) {
  std::ifstream in(input);
  if (!in) return absl::NotFoundError(input);
  uint64_t number = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) {  // the last one may not be whole
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    uint64_t amount = 0;
    ++number;
    if (words.size() != 2 || words[0].empty() || !absl::SimpleAtoi(words[1], &amount)) {
      return absl::InvalidArgumentError(absl::StrCat(input, ":", number, ": not 'KEY AMOUNT'"));
    }
    const uint32_t shard = examples::PartitionOf({words[0].data(), words[0].size()},
                                                 static_cast<uint32_t>(partitions.size()));
    if (number <= partitions[shard]->last_line()) continue;
    const std::string record = absl::StrCat(number, " ", line);
    // No answer: whether it is durable is the consumer's business, and that of the barrier.
    RETURN_IF_ERROR(
        engine.Post(corewal::ShardId{shard},
                    absl::Span(reinterpret_cast<const std::byte*>(record.data()), record.size()),
                    {.wait_for_room = absl::InfiniteDuration()}));
  }
  return engine.Barrier().status();  // all that was posted is durable
}

absl::Status Run(const std::string& directory, const std::string& input) {
  corewal::EngineOptions options;
  options.directory = directory + "/log";
  ASSIGN_OR_RETURN(options.shards, PartitionCount(directory));
  options.pin_threads = true;
  options.shard.segment_bytes = 256 << 10;  // small, to see truncation at work
  ASSIGN_OR_RETURN(const auto engine, corewal::Engine::Open(options));
  Partitions partitions;
  for (uint32_t i = 0; i < options.shards; ++i) {
    ASSIGN_OR_RETURN(
        partitions.emplace_back(),
        Partition::Open(*engine, corewal::ShardId{i}, absl::StrCat(directory, "/output-", i)));
  }
  std::vector<std::thread> consumers;
  std::vector<absl::Status> ends(partitions.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    consumers.emplace_back([&, i] { ends[i] = partitions[i]->Consume(); });
  }
  absl::Status status = Ingest(*engine, partitions, input);
  for (uint32_t i = 0; i < options.shards; ++i) {
    partitions[i]->StopAt(engine->durable_lsn(corewal::ShardId{i}));
    consumers[i].join();
    status.Update(ends[i]);
  }
  status.Update(engine->Close());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: stream_processor DIR INPUT\n";
    return 1;
  }
  const absl::Status status = Run(argv[1], argv[2]);
  if (!status.ok()) std::cerr << "stream_processor: " << status << '\n';
  return status.ok() ? 0 : 1;
}
