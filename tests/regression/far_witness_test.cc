// What is durable may be said no nearer than several segments behind where a follower stands: small
// segments, a slow device. The follower looked two segments far and stayed caught up for ever, on a
// log that was closed in good order.
#include <gtest/gtest.h>

#include <string>

#include "io_backend/storage_io_factory.h"
#include "tests/wal/log_builder.h"
#include "tests/wal/temp_directory.h"
#include "wal/log_follower.h"

namespace corewal {
namespace {

// Records handed out until the follower has caught up.
int RecordsSeen(const LogBuilder& log) {
  const TempDirectory directory;
  log.WriteTo(directory.path());
  auto io = CreateStorageIo({.backend = IoBackend::kPosix, .buffers = 6, .buffer_bytes = 16 << 10});
  EXPECT_TRUE(io.ok()) << io.status();
  auto follower = LogFollower::Open(FileSystem::Host(), **io, directory.path(), {});
  EXPECT_TRUE(follower.ok()) << follower.status();
  RecordView record;
  int seen = 0;
  while ((*follower)->Next(&record) == FollowEvent::kRecord) ++seen;
  EXPECT_TRUE((*follower)->status().ok()) << (*follower)->status();
  return seen;
}

TEST(FarWitnessTest, SealIsFoundHoweverManySegmentsOn) {
  for (const int segments : {1, 2, 3, 4, 7}) {
    SCOPED_TRACE(segments);
    LogBuilder log;
    log.HoldDurable(Lsn(kBlockBytes));
    for (int i = 0; i < segments; ++i) {
      log.StartSegment();
      log.AddBatch({"a"});
      log.AddBatch({"b"});
    }
    EXPECT_EQ(RecordsSeen(log), 0) << "nothing is known to be durable";
    log.LetDurableGo();
    log.AddSeal();
    EXPECT_EQ(RecordsSeen(log), 2 * segments);
  }
}

TEST(FarWitnessTest, BatchThatIsDurableOnlyInPartFindsTheRestOfItsWitnessFarOn) {
  LogBuilder log;
  log.HoldDurable(Lsn(kBlockBytes));
  log.StartSegment();
  log.AddBatch({"a"});
  const Lsn inside = log.end() + kBlockBytes;
  log.AddBatch({std::string(10'000, 'b')});
  log.HoldDurable(inside);  // what all headers say that come before the seal
  for (int i = 0; i < 3; ++i) {
    log.StartSegment();
    log.AddBatch({"c"});
  }
  log.LetDurableGo();
  log.AddSeal();
  EXPECT_EQ(RecordsSeen(log), 5);
}

TEST(FarWitnessTest, SegmentThatDoesNotFollowIsNotAskedForWitness) {
  LogBuilder log;
  log.HoldDurable(Lsn(kBlockBytes));
  for (int i = 0; i < 4; ++i) {
    log.StartSegment();
    log.AddBatch({"a"});
  }
  log.LetDurableGo();
  log.AddSeal();
  log.RemoveSegment(3);
  EXPECT_EQ(RecordsSeen(log), 0);
}

}  // namespace
}  // namespace corewal
