#include "tests/tools/wal_dump_fixture.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tools/made_record.h"
#include "wal/segment_set.h"

namespace corewal {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

}  // namespace

std::string MadeRecord(uint32_t shard, uint64_t seq, size_t length) {
  std::string record(length, '\0');
  MakeRecord(ShardId{shard}, seq,
             absl::MakeSpan(reinterpret_cast<std::byte*>(record.data()), length));
  return record;
}

std::string WalDumpFixture::shard(uint32_t number) const {
  return ShardDirectory(log(), ShardId{number});
}

std::string WalDumpFixture::segment(uint64_t sequence) const {
  return shard(0) + "/" + SegmentFileName(sequence);
}

void WalDumpFixture::Write(LogBuilder* builder, uint32_t number) {
  for (uint64_t sequence = 1; sequence <= builder->sequence(); ++sequence) {
    std::string& image = builder->image(sequence);
    if (number == 0 || image.size() < kBlockBytes) continue;
    Put32(image.data() + 32, number);
    FixSegmentHeaderCrc(image.data());
  }
  fs::create_directories(shard(number));
  builder->WriteTo(shard(number));
}

void WalDumpFixture::WriteFile(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

LogBuilder WalDumpFixture::MadeLog(bool sealed) {
  LogBuilder builder;
  builder.StartSegment();
  uint64_t seq = 0;
  for (int batch = 0; batch < 3; ++batch) {
    std::vector<TestPiece> pieces;
    pieces.reserve(4);
    for (int i = 0; i < 4; ++i) pieces.emplace_back(MadeRecord(0, ++seq));
    builder.AddBatch(pieces);
  }
  if (sealed) builder.AddSeal();
  return builder;
}

std::string WalDumpFixture::AcksFor(const LogBuilder& builder, size_t count) {
  std::string acks;
  for (size_t i = 0; i < count; ++i) {
    absl::StrAppend(&acks, "ACK shard=0 seq=", i + 1, " lsn=", builder.expected()[i].lsn.value(),
                    "\n");
  }
  return acks;
}

ProgramResult WalDumpFixture::Dump(const std::vector<std::string>& arguments,
                                   const std::string& input) {
  const std::map<std::string, std::string> before = Tree();
  ProgramResult result = RunProgram({.program = kDump, .arguments = arguments, .input = input});
  EXPECT_TRUE(Tree() == before) << "wal-dump changed files";
  return result;
}

std::string WalDumpFixture::Refusal(const std::vector<std::string>& arguments) {
  const ProgramResult result = Dump(arguments);
  EXPECT_EQ(result.exit_code, 1) << result.output << result.error;
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(std::count(result.error.begin(), result.error.end(), '\n'), 1) << result.error;
  EXPECT_THAT(result.error, testing::StartsWith("wal-dump: "));
  return result.error;
}

std::map<std::string, std::string> WalDumpFixture::Tree() const {
  std::map<std::string, std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(temp_.path())) {
    const std::string path = entry.path();
    tree[path] = entry.is_regular_file() ? ReadFile(path) : "";
  }
  return tree;
}

}  // namespace corewal
