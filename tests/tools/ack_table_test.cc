#include "tools/ack_table.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corewal {
namespace {

using testing::HasSubstr;

// A file with `content`, removed when this goes.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) : path_(testing::TempDir() + "/acks_XXXXXX") {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(fd);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(AckTableTest, GathersByShardAscendingBySequence) {
  const TemporaryFile file(
      "ACK shard=1 seq=2 lsn=8256\nACK shard=0 seq=7 lsn=4160\nACK shard=1 seq=1 lsn=4160\n");
  const auto table = AckTable::Read(file.path());
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->shards(), testing::ElementsAre(ShardId{0}, ShardId{1}));
  ASSERT_EQ(table->Of(ShardId{1}).size(), 2u);
  EXPECT_EQ(table->Of(ShardId{1})[0].seq, 1u);
  EXPECT_EQ(table->Of(ShardId{1})[1].lsn, Lsn(8256));
  EXPECT_TRUE(table->Of(ShardId{2}).empty());
  EXPECT_FALSE(table->last_line_cut());
}

TEST(AckTableTest, ALastLineWithoutItsNewlineSaysNothing) {
  const TemporaryFile file("ACK shard=0 seq=1 lsn=4160\nACK shard=0 seq=12 lsn=41");
  const auto table = AckTable::Read(file.path());
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Of(ShardId{0}).size(), 1u);
  EXPECT_TRUE(table->last_line_cut());
}

TEST(AckTableTest, AWholeLineOfAnotherShapeIsAnErrorWithItsNumber) {
  const TemporaryFile file("ACK shard=0 seq=1 lsn=4160\n\nACK shard=0 seq=2 lsn=4200\n");
  const auto table = AckTable::Read(file.path());
  ASSERT_FALSE(table.ok());
  EXPECT_THAT(std::string(table.status().message()), HasSubstr(file.path() + ", line 2"));
}

TEST(AckTableTest, AnEmptyFileAcknowledgesNothing) {
  const TemporaryFile file("");
  const auto table = AckTable::Read(file.path());
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->shards().empty());
}

TEST(AckTableTest, LinesThatSpanReadsAreWhole) {
  std::string content;
  for (int seq = 1; content.size() < (5u << 20); ++seq) {
    content += "ACK shard=0 seq=" + std::to_string(seq) + " lsn=" + std::to_string(seq * 64) + "\n";
  }
  const TemporaryFile file(content);
  const auto table = AckTable::Read(file.path());
  ASSERT_TRUE(table.ok()) << table.status();
  uint64_t seq = 0;
  for (const AckTable::Ack& ack : table->Of(ShardId{0})) {
    ++seq;
    ASSERT_EQ(ack.seq, seq);
    ASSERT_EQ(ack.lsn, Lsn(seq * 64));
  }
  EXPECT_GT(seq, 100'000u);
}

TEST(AckTableTest, EndlessBytesWithoutALineAreRefusedNotGathered) {
  const auto table = AckTable::Read("/dev/zero");
  ASSERT_FALSE(table.ok());
  EXPECT_THAT(std::string(table.status().message()), HasSubstr("/dev/zero, line 1"));
}

TEST(AckTableTest, AMissingFileAndADirectoryAreNamed) {
  EXPECT_THAT(std::string(AckTable::Read("/no/such/file").status().message()),
              HasSubstr("/no/such/file"));
  EXPECT_THAT(std::string(AckTable::Read("/").status().message()), HasSubstr("EISDIR"));
}

}  // namespace
}  // namespace corewal
