// Opened on a full disk, an engine cannot record which atomic batches are decided. Truncation took
// a batch's home all the same, and the next opening hid the batch's other records.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "io_backend/sim_disk.h"
#include "io_backend/sim_file_system.h"
#include "tests/sim/sim_environment.h"

namespace corewal {
namespace {

constexpr ShardId kHome{0};
constexpr ShardId kOther{1};

absl::Span<const std::byte> Bytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

class TruncationAfterFullOpeningTest : public testing::Test {
 protected:
  void Open() {
    files_ = std::make_unique<SimFileSystem>(disk_);
    EngineOptions options;
    options.directory = "/log";
    options.shards = 2;
    options.threads = EngineOptions::Threads::kHost;
    options.shard.sync_method = SyncMethod::kDatasync;
    options.shard.segment_bytes = 64 << 10;
    options.shard.io.buffers = 4;
    options.shard.io.buffer_bytes = 16 << 10;
    auto engine = OpenEngineIn(options, SimEnvironment(disk_, *files_));
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }
  void Attach() {
    shards_.clear();
    for (const ShardId shard : {kHome, kOther}) {
      absl::StatusOr<Shard*> attached = engine_->AttachShard(shard);
      ASSERT_TRUE(attached.ok()) << attached.status();
      shards_.push_back(*attached);
    }
  }
  void LosePower() {
    disk_.Crash(SimCrash::kPowerLoss);
    engine_.reset();
    files_.reset();
  }
  Lsn AppendToHome(const std::string& text) {
    absl::StatusOr<Lsn> lsn = absl::ResourceExhaustedError("");
    for (int i = 0; i < 1000 && absl::IsResourceExhausted(lsn.status()); ++i) {
      lsn = shards_[0]->Append(Bytes(text));
      if (lsn.ok()) break;
      EXPECT_TRUE(shards_[0]->Wait(disk_.clock().Now() + 1'000'000).ok());
    }
    EXPECT_TRUE(lsn.ok()) << lsn.status();
    EXPECT_TRUE(shards_[0]->WaitDurable().ok());
    return lsn.value_or(Lsn());
  }
  std::vector<std::string> Replay(ShardId shard) {
    std::vector<std::string> texts;
    const auto replay = engine_->Replay(shard);
    EXPECT_TRUE(replay.ok()) << replay.status();
    RecordView record;
    while (replay.ok() && (*replay)->Next(&record)) {
      texts.emplace_back(reinterpret_cast<const char*>(record.payload.data()),
                         record.payload.size());
    }
    return texts;
  }

  SimDisk disk_{7};
  std::unique_ptr<SimFileSystem> files_;
  std::unique_ptr<Engine> engine_;
  std::vector<Shard*> shards_;
};

TEST_F(TruncationAfterFullOpeningTest, BatchWhoseHomeWasTruncatedKeepsItsOtherRecords) {
  Open();
  Attach();
  const std::string home = "home", other = "other";
  const AtomicPart parts[] = {{kHome, Bytes(home)}, {kOther, Bytes(other)}};
  absl::StatusOr<AppendFuture> batch = engine_->AppendAtomically(parts);
  ASSERT_TRUE(batch.ok()) << batch.status();
  for (int i = 0; i < 1000 && !batch->ready(); ++i) {
    for (Shard* shard : shards_) ASSERT_TRUE(shard->Wait(disk_.clock().Now() + 1'000'000).ok());
  }
  ASSERT_TRUE(batch->ready());
  ASSERT_TRUE(batch->Wait().ok());
  Lsn last;
  for (int i = 0; i < 30; ++i) last = AppendToHome(std::string(9'000, 'f'));
  LosePower();

  disk_.faults().Set(SimFault::kEnospc, {.per_million = 1'000'000});
  Open();
  disk_.faults().AllOff();
  Attach();
  ASSERT_EQ(Replay(kOther), std::vector<std::string>{other});
  // The disk is full again.
  disk_.faults().Set(SimFault::kEnospc, {.per_million = 1'000'000});
  ASSERT_TRUE(engine_->TruncateBefore(kHome, last).ok());
  LosePower();
  disk_.faults().AllOff();
  Open();
  EXPECT_EQ(Replay(kOther), std::vector<std::string>{other});
}

}  // namespace
}  // namespace corewal
