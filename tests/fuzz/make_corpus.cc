// make_corpus DIRECTORY: writes the seed corpus of the fuzzers, logs that are valid and logs that
// break one rule each, into DIRECTORY/batch and DIRECTORY/log. The same bytes every time:
//
//   bazel run //tests/fuzz:make_corpus -- $PWD/tests/fuzz/corpus
//
// Files that it did not make (what fuzzers found) are left alone.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/hostile_log.h"
#include "tests/wal/log_builder.h"
#include "wal/format.h"

namespace corewal {
namespace {

constexpr uint64_t kSegments = 4;

void Write(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.good()) std::fprintf(stderr, "make_corpus: cannot write %s\n", path.c_str());
}

// A log of three segments: small records, one in pieces, a seal, a reopening.
LogBuilder SmallLog() {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"hello", "corewal"});
  log.AddBatch({TestPiece("a barrier", Piece::kWhole, RecordType::kEpochBarrier)});
  log.AddBatch({std::string(5000, 'x')});
  log.AddSeal();
  log.Reopen();
  log.StartSegment();
  log.AddBatch({"again", TestPiece::First(3000, std::string(1000, 'p'))});
  log.AddBatch({TestPiece(std::string(1500, 'q'), Piece::kMiddle)});
  log.StartSegment();
  log.AddBatch({TestPiece(std::string(500, 'r'), Piece::kLast), "after the large one"});
  log.AddBatch({"the last"});
  return log;
}

using Change = std::function<void(LogBuilder&)>;

std::vector<std::pair<std::string, Change>> Logs() {
  return {
      {"valid", [](LogBuilder&) {}},
      {"sealed", [](LogBuilder& log) { log.AddSeal(), log.Trim(); }},
      {"prepared_next", [](LogBuilder& log) { log.AddPreparedSegment(4); }},
      {"torn_last_batch", [](LogBuilder& log) { log.image(3)[2 * 4096 + 70] ^= 1; }},
      {"damaged_middle", [](LogBuilder& log) { log.image(1)[2 * 4096 + 70] ^= 1; }},
      {"damaged_first_header", [](LogBuilder& log) { log.image(1)[20] ^= 1; }},
      {"damaged_next_header", [](LogBuilder& log) { log.image(2)[20] ^= 1; }},
      {"missing_segment", [](LogBuilder& log) { log.RemoveSegment(2); }},
      {"missing_first", [](LogBuilder& log) { log.RemoveSegment(1); }},
      {"cut_file", [](LogBuilder& log) { log.image(2).resize(4096); }},
      {"cut_header", [](LogBuilder& log) { log.image(1).resize(4096), log.RemoveSegment(2); }},
      {"recycled_tail",
       [](LogBuilder& log) {
         log.image(4) = log.image(1);  // bytes of a former life, under the next name
       }},
      {"newer_version",
       [](LogBuilder& log) {
         Put32(log.image(1).data() + 12, 2);
         FixSegmentHeaderCrc(log.image(1).data());
       }},
      {"foreign_uuid",
       [](LogBuilder& log) {
         log.image(2)[16] ^= 1;
         FixSegmentHeaderCrc(log.image(2).data());
       }},
      {"huge_base_lsn",
       [](LogBuilder& log) {
         Put64(log.image(1).data() + 48, UINT64_MAX - 0x1ffff);
         FixSegmentHeaderCrc(log.image(1).data());
       }},
      {"last_incarnation",
       [](LogBuilder& log) {
         Put32(log.image(3).data() + 64 + 4, UINT32_MAX);
         FixSegmentHeaderCrc(log.image(3).data());
       }},
      {"huge_record",
       [](LogBuilder& log) {
         Put64(log.image(2).data() + 4096 + 64 + 12 + 4, uint64_t{1} << 30);
         FixBatchCrcs(log.image(2).data() + 4096);
       }},
      {"long_batch",
       [](LogBuilder& log) {
         Put32(log.image(1).data() + 4096 + 40, kBatchBytesMax);
         FixBatchHeaderCrc(log.image(1).data() + 4096);
       }},
      {"zero_length",
       [](LogBuilder& log) {
         Put32(log.image(1).data() + 4096 + 40, 0);
         FixBatchHeaderCrc(log.image(1).data() + 4096);
       }},
      {"many_records",
       [](LogBuilder& log) {
         Put32(log.image(1).data() + 4096 + 48, UINT32_MAX);
         FixBatchHeaderCrc(log.image(1).data() + 4096);
       }},
      {"wrong_chain",
       [](LogBuilder& log) {
         Put32(log.image(1).data() + 2 * 4096 + 52, 0x12345678);
         FixBatchCrcs(log.image(1).data() + 2 * 4096);
       }},
      {"false_witness",
       [](LogBuilder& log) {
         Put64(log.image(3).data() + 2 * 4096 + 16, 0x22000);
         FixBatchCrcs(log.image(3).data() + 2 * 4096);
         log.image(3)[4096] ^= 1;
       }},
  };
}

HostileLog FilesOf(LogBuilder& log) {
  HostileLog hostile;
  for (uint64_t sequence = 1; sequence <= kSegments; ++sequence) {
    std::string image = log.image(sequence);
    if (!image.empty()) hostile.files[sequence] = std::move(image);
  }
  return hostile;
}

void WriteLogs(const std::string& directory) {
  uint8_t mode = 0;
  for (const auto& [name, change] : Logs()) {
    LogBuilder log = SmallLog();
    change(log);
    HostileLog hostile = FilesOf(log);
    hostile.mode = mode++;
    Write(absl::StrCat(directory, "/", name), hostile.Encode());
  }
  Write(directory + "/empty", "");
  Write(directory + "/no_files", std::string(1, '\0'));
}

// Each batch and each segment header, as it is and with its CRCs made right again.
void WriteBatches(const std::string& directory) {
  LogBuilder log = SmallLog();
  log.AddSeal();
  int made = 0;
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    const std::string& image = log.image(sequence);
    for (size_t at = 0; at < image.size(); at += kBlockBytes) {
      std::string bytes = image.substr(at, 2 * kBlockBytes);
      bytes.resize(bytes.find_last_not_of('\0') + 1);
      if (bytes.size() < kBatchHeaderBytes) continue;
      const std::string name = "block_" + std::to_string(made++);
      Write(absl::StrCat(directory, "/", name), absl::StrCat(std::string(1, '\0'), bytes));
      Write(absl::StrCat(directory, "/", name, "_fixed"),
            absl::StrCat(std::string(1, '\1'), bytes));
    }
  }
  Write(directory + "/empty", "");
}

}  // namespace
}  // namespace corewal

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus DIRECTORY\n");
    return 1;
  }
  const std::string directory = argv[1];
  for (const char* name : {"/batch", "/log"}) {
    std::filesystem::create_directories(directory + name);
  }
  corewal::WriteLogs(directory + "/log");
  corewal::WriteBatches(directory + "/batch");
  return 0;
}
