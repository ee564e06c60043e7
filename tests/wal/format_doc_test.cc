// FORMAT.md's worked example, byte by byte, against the code.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/wal/log_fixture.h"

namespace corewal {
namespace {

std::string Document() {
  std::ifstream file("wal/FORMAT.md");
  EXPECT_TRUE(file.good()) << "wal/FORMAT.md is not among the test's data";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The bytes of a dump in the style of `hexdump -C`.
std::string ParseDump(const std::string& dump) {
  std::istringstream lines(dump);
  std::string bytes, line;
  bool repeat = false;
  while (std::getline(lines, line)) {
    if (line == "*") {
      repeat = true;
      continue;
    }
    size_t used = 0;
    const size_t offset = std::stoul(line, &used, 16);
    if (repeat) {
      const std::string last = bytes.substr(bytes.size() - 16);
      while (bytes.size() < offset) bytes += last;
      repeat = false;
    }
    EXPECT_EQ(bytes.size(), offset) << line;
    std::istringstream numbers(line.substr(used, line.find('|') - used));
    std::string number;
    while (numbers >> number) bytes.push_back(static_cast<char>(std::stoul(number, nullptr, 16)));
  }
  return bytes;
}

std::string MakeDump(const std::string& bytes) {
  std::string dump, last;
  bool starred = false;
  char number[24];
  for (size_t at = 0; at < bytes.size(); at += 16) {
    const std::string row = bytes.substr(at, 16);
    if (row == last) {
      if (!starred) dump += "*\n";
      starred = true;
      continue;
    }
    starred = false;
    last = row;
    std::snprintf(number, sizeof(number), "%08zx", at);
    dump += number;
    std::string text;
    for (size_t i = 0; i < row.size(); ++i) {
      std::snprintf(number, sizeof(number), "%s%02x", i % 8 == 0 ? "  " : " ",
                    static_cast<unsigned char>(row[i]));
      dump += number;
      text += row[i] >= ' ' && row[i] <= '~' ? row[i] : '.';
    }
    dump += "  |" + text + "|\n";
  }
  std::snprintf(number, sizeof(number), "%08zx\n", bytes.size());
  return dump + number;
}

std::string Example() {
  SegmentHeader segment;
  for (size_t i = 0; i < 16; ++i) segment.uuid.bytes[i] = static_cast<std::byte>(i * 17);
  segment.sequence = 1;
  segment.segment_bytes = 64 << 10;
  segment.incarnation = TestIncarnation(1, 0x2a2a2a2a);
  segment.created_unix_ns = 1'700'000'000'000'000'000;
  std::string bytes = MakeSegmentHeader(segment);

  BatchHeader batch;
  batch.lsn = Lsn(4096);
  batch.incarnation = segment.incarnation;
  bytes += MakeBatch(batch, {"hello", TestPiece("corewal", Piece::kWhole, RecordType{1})});

  BatchHeader seal;
  seal.lsn = Lsn(8192);
  seal.durable = Lsn(8192);
  seal.incarnation = segment.incarnation;
  seal.previous_crc = Get32(&bytes[4096 + 4]);
  seal.flags = kBatchFlagSeal;
  return bytes + MakeBatch(seal, {});
}

TEST(FormatDocumentTest, WorkedExampleIsWhatTheCodeWrites) {
  const std::string document = Document();
  const std::string fence = "```hexdump\n";
  const size_t begin = document.find(fence);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = document.find("```", begin + fence.size());
  ASSERT_NE(end, std::string::npos);
  const std::string dump = document.substr(begin + fence.size(), end - begin - fence.size());
  const std::string expected = MakeDump(Example());
  ASSERT_EQ(dump, expected);
  EXPECT_EQ(ParseDump(dump), Example());
}

TEST(FormatDocumentTest, WorkedExampleReadsAsTheTextSays) {
  const std::string document = Document();
  const size_t begin = document.find("```hexdump\n") + 11;
  const std::string bytes = ParseDump(document.substr(begin, document.find("```", begin) - begin));
  LogFixture fixture;
  LogBuilder::WriteFile(fixture.PathOf(1), bytes);
  const ReadLog read = fixture.Read();
  ASSERT_TRUE(read.open.ok()) << read.open;
  EXPECT_STREQ(read.end.row, "T1");
  ASSERT_EQ(read.records.size(), 2u);
  EXPECT_EQ(read.records[0], (ReadRecord{Lsn(0x1040), "hello"}));
  EXPECT_EQ(read.records[1], (ReadRecord{Lsn(0x104c), "corewal"}));
}

TEST(FormatDocumentTest, NamesEveryRuleAndRow) {
  const std::string document = Document();
  for (int i = 1; i <= static_cast<int>(FormatRule::kBatchRecords); ++i) {
    const std::string label = std::string(FormatRuleText(static_cast<FormatRule>(i))).substr(0, 2);
    EXPECT_NE(document.find("- **" + label + "**"), std::string::npos) << label;
  }
  for (const char* row : {"E0", "C1", "C2", "C3", "C4", "C5", "T1", "T2", "T3", "T4"}) {
    EXPECT_NE(document.find("| " + std::string(row) + " |"), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace corewal
