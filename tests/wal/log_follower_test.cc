// What a follower hands out of a log that is being written, and when.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/wal/log_follower_fixture.h"

namespace corewal {
namespace {

TEST_F(LogFollowerTest, HandsOutNothingBeforeItIsDurable) {
  Open();
  auto follower = Follow(WithWriter());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << "the log has not begun";
  Put("one");
  ASSERT_TRUE(writer_->Poll().ok());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
  EXPECT_EQ(follower->position(), durable_);
  EXPECT_TRUE(follower->status().ok());
  // Written and synced, but the writer has not been asked since: not handed out.
  Put("two");
  ASSERT_TRUE(writer_->WaitDurable().ok());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u);
  durable_ = writer_->durable();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
}

TEST_F(LogFollowerTest, CaughtUpCostsNoReadWhenTheWriterSaysThereIsNothing) {
  Open();
  Put("one");
  Sync();
  auto follower = Follow(WithWriter());
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  const uint64_t reads = ios_.back()->stats().reads;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(ios_.back()->stats().reads, reads);
}

// Appends, syncs, rolls, truncations with recycling, reopenings and follower turns at random, with
// the follower reading small chunks. Each way of learning what is durable.
class FollowAtRandom : public LogFollowerTest, public testing::WithParamInterface<int> {
 protected:
  LogFollowerOptions OptionsFor(Lsn from) {
    if (GetParam() == 0) return WithWriter(from);
    LogFollowerOptions options;
    options.from = from;
    options.durable.unwitnessed = GetParam() == 2;
    return options;
  }
  void Reopen(std::mt19937& random) {
    if (random() % 2 == 0) {
      Close();
    } else {
      Sync();  // what is not durable might be handed out unwitnessed, and then lost
      Crash();
    }
    Open();
    durable_ = std::max(durable_, writer_->durable());
  }
  void AppendOne(std::mt19937& random) {
    const size_t bytes = random() % 20 == 0 ? 40'000 + random() % 60'000 : random() % 3000;
    Put(std::string(bytes, static_cast<char>('a' + random() % 26)));
  }
  void Truncate(const LogFollower& follower) {
    // Never beyond what the follower has read.
    const Lsn before = std::min(writer_->durable(), follower.position());
    ASSERT_TRUE(writer_->TruncateBefore(before).ok());
  }
};

TEST_P(FollowAtRandom, SeesEveryRecordOnceInOrder) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::filesystem::remove_all(directory_.path());
    std::filesystem::create_directory(directory_.path());
    written_.clear(), seen_.clear(), durable_ = Lsn();
    Open();
    auto follower = Follow(OptionsFor(Lsn()));
    for (int step = 0; step < 250; ++step) {
      switch (random() % 12) {
        case 0:
          Sync();
          break;
        case 1:
          durable_ = writer_->durable();
          ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
          ASSERT_LE(seen_.size(), written_.size());
          break;
        case 2: {  // resumed by another
          const Lsn from = follower->position();
          follower = Follow(OptionsFor(from));
          break;
        }
        case 3:
          if (random() % 8 == 0) Reopen(random);
          break;
        case 4:
          Truncate(*follower);
          break;
        case 5:
          ASSERT_TRUE(writer_->Poll().ok());
          durable_ = writer_->durable();
          break;
        default:
          AppendOne(random);
      }
      if (GetParam() != 2) {
        ASSERT_LE(seen_.size(), WrittenBelow(writer_->durable()).size());
      }
    }
    Put("the last");
    Sync();
    Close();  // with a seal, so that the last batch has its witness too
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
    ASSERT_EQ(seen_.size(), written_.size());
    ASSERT_EQ(seen_, written_);
    follower.reset();
  }
}
INSTANTIATE_TEST_SUITE_P(Durable, FollowAtRandom, testing::Values(0, 1, 2),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == 0   ? "ByTheWriter"
                                  : info.param == 1 ? "ByWitness"
                                                    : "Unwitnessed";
                         });

TEST_F(LogFollowerTest, WithoutTheWriterTheLastBatchWaitsForItsWitness) {
  Open();
  auto follower = Follow({});
  auto eager = Follow({.durable = {.unwitnessed = true}});
  std::vector<FollowedRecord> eager_seen;
  Put("one");
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(Drain(*eager, &eager_seen), FollowEvent::kCaughtUp);
  EXPECT_EQ(eager_seen, written_);
  Put("two");
  Sync();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u) << "the second batch says that the first was durable";
  Close();
  EXPECT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
  EXPECT_EQ(Drain(*eager, &eager_seen), FollowEvent::kCaughtUp);
  EXPECT_EQ(eager_seen, written_);
}

TEST_F(LogFollowerTest, IdleSealsThatAreOverwrittenOrPassedOverAreNoEnd) {
  options_.seal_after_us = 0;
  Open();
  auto follower = Follow({});
  for (int i = 0; i < 60; ++i) {
    Put(std::string(3000, static_cast<char>('a' + i % 26)));
    Sync();
    for (int turn = 0; turn < 4; ++turn) ASSERT_TRUE(writer_->Poll().ok());
    ASSERT_GT(writer_->stats().seals, static_cast<uint64_t>(i));
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp) << follower->status();
    ASSERT_EQ(seen_, written_);
  }
  EXPECT_GT(writer_->stats().rolls, 2u);
}

TEST_F(LogFollowerTest, GoesOnBehindASealThatTheNextOpeningChainsTo) {
  auto follower = Follow({});
  for (int opening = 0; opening < 4; ++opening) {
    Open();
    Put("a");
    Put("b");
    Sync();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_.size(), written_.size() - 2) << "the header behind the seal is no witness";
    Put("c");
    Sync();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_.size(), written_.size() - 1) << "all but the last have a witness";
    Close();
    ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
    EXPECT_EQ(seen_, written_);
  }
}

TEST_F(LogFollowerTest, BatchThatIsDurableOnlyInPartWaitsForTheRest) {
  Open();
  Put("one");
  Put("two");
  Sync();
  const Lsn end = durable_;
  durable_ = written_[1].first;  // no writer says this, but a caller may
  auto follower = Follow(WithWriter());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_TRUE(seen_.empty());
  durable_ = end;
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
}

// After a clean close and a reopening `durable` is the end of the seal, beyond what was read, and
// yet nothing of the new segment is durable.
TEST_F(LogFollowerTest, FirstBatchBehindASealWaitsUntilItIsDurable) {
  Open();
  Put("before");
  Sync();
  Close();
  auto follower = Follow(WithWriter());
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  ASSERT_EQ(seen_, written_);
  Open();
  ASSERT_GT(writer_->durable(), durable_);
  durable_ = writer_->durable();
  Put("new");
  ASSERT_TRUE(writer_->WaitDurable().ok());  // it is on disk, but the follower is not told so
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_.size(), 1u);
  durable_ = writer_->durable();
  ASSERT_EQ(Drain(*follower), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);
}

TEST_F(LogFollowerTest, RecordsThatSpanSegmentsComeWholeOrInPieces) {
  options_.segments_ready = 8;
  Open();
  std::string large;
  for (int i = 0; large.size() < 300'000; ++i) large += std::to_string(i) + ",";
  Put("before");
  Put(large);
  Put("behind");
  Sync();
  auto whole = Follow(WithWriter());
  EXPECT_EQ(Drain(*whole), FollowEvent::kCaughtUp);
  EXPECT_EQ(seen_, written_);

  LogFollowerOptions options = WithWriter();
  options.pieces = true;
  auto parts = Follow(options);
  RecordView record;
  ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
  EXPECT_TRUE(record.whole());
  std::string put_together;
  Lsn resumed_at;
  do {
    ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
    EXPECT_EQ(record.lsn, written_[1].first);
    EXPECT_EQ(record.whole_bytes, large.size());
    EXPECT_EQ(record.part_offset, put_together.size());
    put_together += OwnedRecord(record).payload;
    if (!record.last_part()) resumed_at = parts->position();
  } while (!record.last_part());
  EXPECT_EQ(put_together, large);
  EXPECT_LE(resumed_at, written_[1].first) << "a resumed reader gets the record again, whole";
  EXPECT_GT(resumed_at, written_[0].first);
  ASSERT_EQ(parts->Next(&record), FollowEvent::kRecord);
  EXPECT_EQ(OwnedRecord(record).payload, "behind");
}

}  // namespace
}  // namespace corewal
