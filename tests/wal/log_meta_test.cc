#include "wal/log_meta.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/wal/temp_directory.h"

namespace corewal {
namespace {

LogMeta Example() {
  LogMeta meta;
  meta.uuid = *LogUuid::Parse("6f1c0b5e-0123-4567-89ab-cdef01234567");
  meta.sync_method = SyncMethod::kDsync;
  meta.sync_probe = "dsync 104 us, datasync 119 us";
  return meta;
}

TEST(LogMetaTest, ComesBackAsItWasWritten) {
  TempDirectory directory;
  ASSERT_TRUE(WriteLogMeta(FileSystem::Host(), directory.path(), Example()).ok());
  const absl::StatusOr<LogMeta> read = ReadLogMeta(FileSystem::Host(), directory.path());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->uuid, Example().uuid);
  EXPECT_EQ(read->sync_method, SyncMethod::kDsync);
  EXPECT_EQ(read->sync_probe, Example().sync_probe);
}

TEST(LogMetaTest, MissingFileIsNotFound) {
  TempDirectory directory;
  EXPECT_TRUE(absl::IsNotFound(ReadLogMeta(FileSystem::Host(), directory.path()).status()));
}

TEST(LogMetaTest, EveryChangedByteIsFoundOut) {
  const std::string good = Example().Encode();
  ASSERT_TRUE(LogMeta::Decode(good).ok());
  for (size_t i = 0; i + 1 < good.size(); ++i) {  // the last newline carries nothing
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(LogMeta::Decode(bad).ok()) << "byte " << i << " of\n" << good;
  }
}

TEST(LogMetaTest, EveryTruncationIsFoundOut) {
  const std::string good = Example().Encode();
  for (size_t n = 0; n + 1 < good.size(); ++n) {
    EXPECT_FALSE(LogMeta::Decode(good.substr(0, n)).ok()) << n;
  }
}

TEST(LogMetaTest, NewerFormatIsNamed) {
  LogMeta newer = Example();
  newer.format = 9;
  const absl::Status status = LogMeta::Decode(newer.Encode()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(status.message(), "format version 9; this build reads up to 1");
}

TEST(LogMetaTest, DamageNamesTheFile) {
  TempDirectory directory;
  std::ofstream(directory.path() + "/corewal") << "not a log\n";
  const absl::Status status = ReadLogMeta(FileSystem::Host(), directory.path()).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(std::string(status.message()).find(directory.path() + "/corewal"), std::string::npos);
}

}  // namespace
}  // namespace corewal
