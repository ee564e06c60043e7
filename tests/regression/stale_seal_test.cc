// A follower that found a seal where it knew that the log had gone on (the device had lost the
// batch that was written over it) reported that the file is missing.
#include <gtest/gtest.h>

#include <string>

#include "io_backend/storage_io_factory.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

TEST(StaleSealTest, IsReportedAsWhatItIs) {
  LogBuilder log;
  log.StartSegment();
  log.AddBatch({"a"});
  const Lsn end = log.end();
  log.AddSeal();
  const TempDirectory directory;
  log.WriteTo(directory.path());
  auto io = CreateStorageIo({.backend = IoBackend::kPosix, .buffers = 6, .buffer_bytes = 16 << 10});
  ASSERT_TRUE(io.ok()) << io.status();
  LogFollowerOptions options;
  options.durable.lsn = [end] { return end + 2 * kBlockBytes; };
  auto follower = LogFollower::Open(FileSystem::Host(), **io, directory.path(), options);
  ASSERT_TRUE(follower.ok()) << follower.status();
  RecordView record;
  EXPECT_EQ((*follower)->Next(&record), FollowEvent::kRecord);
  ASSERT_EQ((*follower)->Next(&record), FollowEvent::kDamaged);
  const LogEndReport& report = (*follower)->report();
  EXPECT_STREQ(report.row, "C1");
  EXPECT_EQ(report.lsn, end);
  EXPECT_EQ(report.offset, end.value());
  const std::string text = report.ToString();
  EXPECT_NE(text.find("a seal stands where the log went on"), std::string::npos) << text;
}

}  // namespace
}  // namespace corewal
