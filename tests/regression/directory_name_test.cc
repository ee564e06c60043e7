// A process that died between making the log's directory and syncing its name left one that the
// next opening took for durable. A power loss then took the directory, with all that was
// acknowledged.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "engine/engine.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "tests/sim/sim_environment.h"

namespace corewal {
namespace {

// What one machine does, whose process is killed at one of its first actions. The seed decides
// which names a power loss takes of those that are not durable.
class DirectoryNameTest : public testing::TestWithParam<std::tuple<uint64_t, uint64_t>> {
 protected:
  absl::Status Open() {
    files_ = std::make_unique<SimFileSystem>(disk_);
    EngineOptions options;
    options.directory = "/data/of/log/";
    options.threads = EngineOptions::Threads::kHost;
    options.shard.sync_method = SyncMethod::kDatasync;
    options.shard.segment_bytes = 64 << 10;
    options.shard.io.buffers = 4;
    options.shard.io.buffer_bytes = 16 << 10;
    auto engine = OpenEngineIn(options, SimEnvironment(disk_, *files_));
    if (!engine.ok()) return engine.status();
    engine_ = *std::move(engine);
    return absl::OkStatus();
  }
  void End() {
    engine_.reset();
    files_.reset();
  }

  SimDisk disk_{std::get<1>(GetParam())};
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(DirectoryNameTest, IsDurableBeforeAnythingIsAcknowledged) {
  disk_.CrashAfter(std::get<0>(GetParam()), SimCrash::kProcessKill);
  Open().IgnoreError();
  disk_.CancelCrash();
  End();

  ASSERT_TRUE(Open().ok());
  const absl::StatusOr<Shard*> shard = engine_->AttachShard(ShardId{0});
  ASSERT_TRUE(shard.ok()) << shard.status();
  const std::string text = "kept";
  absl::StatusOr<Lsn> lsn = absl::ResourceExhaustedError("");
  for (int i = 0; i < 1000 && absl::IsResourceExhausted(lsn.status()); ++i) {
    lsn = (*shard)->Append({reinterpret_cast<const std::byte*>(text.data()), text.size()});
    ASSERT_TRUE((*shard)->Wait(disk_.clock().Now() + 1'000'000).ok());
  }
  ASSERT_TRUE(lsn.ok()) << lsn.status();
  ASSERT_TRUE((*shard)->WaitDurable().ok());
  disk_.Crash(SimCrash::kPowerLoss);
  End();

  ASSERT_TRUE(Open().ok());
  const auto replay = engine_->Replay(ShardId{0});
  ASSERT_TRUE(replay.ok()) << replay.status();
  RecordView record;
  ASSERT_TRUE((*replay)->Next(&record)) << "the acknowledged record is gone";
  EXPECT_EQ(record.lsn, *lsn);
}

INSTANTIATE_TEST_SUITE_P(KilledAtAction, DirectoryNameTest,
                         testing::Combine(testing::Range<uint64_t>(0, 12),
                                          testing::Range<uint64_t>(1, 21)));

}  // namespace
}  // namespace corewal
