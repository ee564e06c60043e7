#include "tools/record_source.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "wal/format.h"

namespace corewal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Text(absl::Span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class InputRecordSourceTest : public testing::Test {
 protected:
  void SetUp() override { path_ = testing::TempDir() + "/input"; }
  void TearDown() override { std::remove(path_.c_str()); }

  std::unique_ptr<InputRecordSource> Open(const std::string& content,
                                          uint64_t bytes_max = kRecordBytesMax) {
    std::ofstream(path_, std::ios::binary) << content;
    auto source = InputRecordSource::Open(path_, 1, bytes_max);
    EXPECT_TRUE(source.ok()) << source.status();
    return *std::move(source);
  }
  static std::vector<std::string> ReadAll(RecordSource& source) {
    std::vector<std::string> records;
    absl::Span<const std::byte> record;
    while (source.Peek(&record)) {
      records.push_back(Text(record));
      source.Take();
    }
    return records;
  }

  std::string path_;
};

TEST_F(InputRecordSourceTest, AnEmptyFileHasNoRecord) {
  auto source = Open("");
  EXPECT_THAT(ReadAll(*source), IsEmpty());
  EXPECT_TRUE(source->status().ok());
  EXPECT_EQ(source->size_bytes(), 0u);
}

TEST_F(InputRecordSourceTest, EveryLineIsARecordAndEmptyLinesAreEmptyRecords) {
  auto source = Open("one\n\nthree\n\n");
  EXPECT_THAT(ReadAll(*source), ElementsAre("one", "", "three", ""));
  EXPECT_EQ(source->seq(), 5u);
  EXPECT_EQ(source->bytes_taken(), 12u);
}

TEST_F(InputRecordSourceTest, ALastLineWithoutNewlineCounts) {
  EXPECT_THAT(ReadAll(*Open("one\ntwo")), ElementsAre("one", "two"));
}

TEST_F(InputRecordSourceTest, KeepsCarriageReturnsAndZeros) {
  EXPECT_THAT(ReadAll(*Open(std::string("a\r\n\0b\n", 6))),
              ElementsAre("a\r", std::string("\0b", 2)));
}

TEST_F(InputRecordSourceTest, LinesAcrossTheBufferAndLongerThanItAreWhole) {
  std::vector<std::string> lines;
  for (const size_t length :
       {size_t{1'000'000}, InputRecordSource::kBufferBytes - 1'000'001,
        InputRecordSource::kBufferBytes, 3 * InputRecordSource::kBufferBytes + 17, size_t{5}}) {
    lines.emplace_back(length, static_cast<char>('a' + lines.size()));
  }
  std::string content;
  for (const std::string& line : lines) content += line + "\n";
  EXPECT_TRUE(ReadAll(*Open(content)) == lines);
}

TEST_F(InputRecordSourceTest, TheSameRecordIsPeekedUntilItIsTaken) {
  auto source = Open("one\ntwo\n");
  absl::Span<const std::byte> record;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(source->Peek(&record));
    EXPECT_EQ(Text(record), "one");
    EXPECT_EQ(source->seq(), 1u);
  }
  source->Take();
  ASSERT_TRUE(source->Peek(&record));
  EXPECT_EQ(Text(record), "two");
}

TEST_F(InputRecordSourceTest, KnowsTheLastRecord) {
  for (const char* content : {"one\ntwo\n", "one\ntwo"}) {
    auto source = Open(content);
    absl::Span<const std::byte> record;
    ASSERT_TRUE(source->Peek(&record));
    EXPECT_FALSE(source->IsLast());
    source->Take();
    ASSERT_TRUE(source->Peek(&record));
    EXPECT_TRUE(source->IsLast());
    ASSERT_TRUE(source->Peek(&record));
    EXPECT_EQ(Text(record), "two");
  }
  auto source = Open("one\n\n");  // the last record is empty
  absl::Span<const std::byte> record;
  ASSERT_TRUE(source->Peek(&record));
  EXPECT_FALSE(source->IsLast());
}

TEST_F(InputRecordSourceTest, ALineThatIsTooLongIsAnErrorThatNamesIt) {
  auto source = Open("1234\n12345\n", 4);
  EXPECT_THAT(ReadAll(*source), ElementsAre("1234"));
  EXPECT_EQ(source->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(source->status().message()), HasSubstr("input: line 2 is longer"));
}

TEST_F(InputRecordSourceTest, AnEndlessLineIsRefusedBeforeItFillsTheMemory) {
  auto source = Open(std::string(2 * InputRecordSource::kBufferBytes, 'x'), 1000);
  EXPECT_THAT(ReadAll(*source), IsEmpty());
  EXPECT_THAT(std::string(source->status().message()), HasSubstr("line 1 is longer"));
}

TEST_F(InputRecordSourceTest, WhatCannotBeReadIsNamed) {
  const auto missing = InputRecordSource::Open(testing::TempDir() + "/missing", 1, 100);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/missing"));
  const auto directory = InputRecordSource::Open(testing::TempDir(), 1, 100);
  EXPECT_THAT(std::string(directory.status().message()), HasSubstr("EISDIR"));
}

TEST(MadeRecordSourceTest, MakesTheRecordsOfItsShardFromTheFirstSequenceOn) {
  const LengthDistribution lengths = *LengthDistribution::Parse("20-90");
  MadeRecordSource source(ShardId{2}, 41, lengths);
  for (uint64_t seq = 41; seq < 60; ++seq) {
    absl::Span<const std::byte> record;
    ASSERT_TRUE(source.Peek(&record));
    EXPECT_EQ(source.seq(), seq);
    EXPECT_EQ(record.size(), lengths.At(ShardId{2}, seq));
    EXPECT_TRUE(VerifyMadeRecord(ShardId{2}, seq, record));
    EXPECT_FALSE(source.IsLast());
    source.Take();
  }
}

}  // namespace
}  // namespace corewal
