// A follower whose read-ahead took every buffer of its storage had none left to read the next
// segment's header, and failed with ResourceExhausted at the first end of what was durable.
#include <gtest/gtest.h>

#include <string>

#include "io_backend/storage_io_factory.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

TEST(FewBuffersFollowerTest, TwoBuffersAreEnoughAndOneIsRefusedAtOnce) {
  const TempDirectory directory;
  LogBuilder log;
  for (int i = 0; i < 3; ++i) {
    log.StartSegment();
    log.AddBatch({"a"});
  }
  log.AddSeal();
  log.WriteTo(directory.path());
  for (const uint32_t buffers : {1, 2, 3, 4, 5}) {
    SCOPED_TRACE(buffers);
    auto io = CreateStorageIo(
        {.backend = IoBackend::kPosix, .buffers = buffers, .buffer_bytes = 16 << 10});
    ASSERT_TRUE(io.ok()) << io.status();
    auto follower = LogFollower::Open(FileSystem::Host(), **io, directory.path(), {});
    if (buffers == 1) {
      EXPECT_TRUE(absl::IsResourceExhausted(follower.status())) << follower.status();
      EXPECT_TRUE((*io)->AcquireBuffer().ok()) << "what it had taken is given back";
      continue;
    }
    ASSERT_TRUE(follower.ok()) << follower.status();
    RecordView record;
    int seen = 0;
    while ((*follower)->Next(&record) == FollowEvent::kRecord) ++seen;
    EXPECT_EQ(seen, 3);
    EXPECT_TRUE((*follower)->status().ok()) << (*follower)->status();
  }
}

}  // namespace
}  // namespace corewal
